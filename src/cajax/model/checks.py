"""What the checks of a model read from a file are made of: each names the key that is at fault."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, final

import numpy as np

from ..base.errors import CajaxError, StoreError
from ..mech import Mechanism, ParamSpec, check_value
from .model import Model


def require(good: bool, key: str, why: str) -> None:
    """Raise `StoreError` naming `key` unless all is good."""
    if not good:
        raise StoreError(f"{key} {why}")


def allowed(call: Any, key: str) -> Any:
    """Return what a check or a constructor of ours returns; its error becomes one that names the key."""
    try:
        return call()
    except CajaxError as error:
        raise StoreError(f"{key}: {error}") from None


def same_keys(found: Iterable[str], wanted: Iterable[str], key: str, owner: str) -> None:
    """Raise `StoreError` unless exactly the `wanted` keys are there."""
    found, wanted = set(found), set(wanted)
    for name in sorted(found ^ wanted):
        raise StoreError(f"{key}.{name} is " + ("missing" if name in wanted else f"not known to {owner}"))


def index(x: np.ndarray, key: str, shape: tuple[int | None, ...], low: int, high: int) -> np.ndarray:
    """Return an array of whole numbers in [low, high); `None` in `shape` stands for any length."""
    fits = x.ndim == len(shape) and all(n in (None, m) for n, m in zip(shape, x.shape, strict=True))
    wanted = ", ".join("any" if n is None else str(n) for n in shape)
    require(fits, key, f"has shape {list(x.shape)}, not [{wanted}]")
    require(x.dtype.kind in "iu", key, f"has type {x.dtype}, not whole numbers")
    if x.size:
        least, most = int(x.min()), int(x.max())
        require(low <= least and most < high, key, f"holds {least} to {most}, outside {low} to {high - 1}")
    return x


def numbers(x: Any, key: str, shape: tuple[int, ...], least: float = -np.inf) -> None:
    """Raise `StoreError` unless `x` holds finite numbers of this shape, none below `least`."""
    x = np.asarray(x)
    require(x.dtype.kind == "f", key, f"has type {x.dtype}, not floating point")
    require(x.shape == shape, key, f"has shape {list(x.shape)}, not {list(shape)}")
    require(bool(np.isfinite(x).all()), key, "holds what is not finite")
    require(bool((x >= least).all()), key, f"holds less than {least:g}")


def rising(x: np.ndarray, key: str) -> None:
    """Raise `StoreError` unless every entry is greater than the one before."""
    require(bool((np.diff(x) > 0).all()), key, "is not in rising order")


@final
class Parameters:
    """The parameters of a file, each looked up once by what uses it."""

    def __init__(self, model: Model) -> None:
        self.params, self.written = model.params, model.structure.specs
        self.specs: dict[str, ParamSpec] = {}
        """Path → what the parameter is, of what has been looked up, as the classes say it now."""

    def check(self, path: str, spec: ParamSpec, shapes: Iterable[tuple[int, ...]], owner: str) -> None:
        """Raise `StoreError` unless `path` has a parameter of one of these shapes, within the bounds of `spec`."""
        require(path in self.params, f"params.{path}", f"is missing; {owner} needs it")
        require(path in self.written, f"structure.specs.{path}", f"is missing; {owner} needs it")
        known, key = self.written[path], f"structure.specs.{path}"
        require(known.name == spec.name, f"{key}.name", f"is '{known.name}', not '{spec.name}'")
        require(known.unit == spec.unit, f"{key}.unit", f"is '{known.unit}', where {owner} has '{spec.unit}'")
        value, shapes = self.params[path], list(shapes)
        wanted = " or ".join(str(list(shape)) for shape in shapes)
        require(value.shape in shapes, f"params.{path}", f"has shape {list(value.shape)}, not {wanted}")
        allowed(partial(check_value, owner, spec, value), f"params.{path}")
        self.specs[path] = spec

    def check_all(self, template: Mechanism, fields: Mapping[str, str], shapes: Any, key: str) -> None:
        """Check the parameters that a projection or a part of the user's own names by its `fields`."""
        specs = {spec.name: spec for spec in template.specs()}
        same_keys(fields, specs, f"{key}.fields", type(template).__name__)
        for name, path in fields.items():
            any_shape = (
                [self.params[path].shape] if shapes is None and path in self.params else shapes or [()]
            )
            self.check(path, specs[name], any_shape, type(template).__name__)

    def check_rest(self) -> None:
        """Raise `StoreError` for parameters that nothing uses."""
        for what, known in (("params", self.params), ("structure.specs", self.written)):
            for path in known:
                require(path in self.specs, f"{what}.{path}", "belongs to nothing in this model")
