"""`Free`: which parameters of a model are trained, and through which bijections."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeVar, final, runtime_checkable

import jax.numpy as jnp

from ..base.checks import function, numeric, of_kind, shown, text
from ..base.distributions import Each
from ..base.errors import ParameterError, unknown
from ..base.types import Array, Float
from .bijections import Bijection
from .table import ParameterTable, tabulate

Theta = dict[str, Float[Array, "..."]]
"""Path → unconstrained numbers, in the shape of the parameter: what an optimizer moves."""


@runtime_checkable
class Trainable(Protocol):
    """All that training knows of a model: a pytree of arrays with parameters under stable paths."""

    @property
    def params(self) -> Mapping[str, Any]:
        """Path → array."""
        ...

    @property
    def units(self) -> Mapping[str, str]:
        """Path → unit."""
        ...

    def replace(self, params: Mapping[str, Any], /) -> Self:
        """The same model with some parameters replaced."""
        ...

    def widened(self, path: str, place: str, /) -> Self:
        """The same model with `params[path]` one value per `place`; itself where it is so already."""
        ...


M = TypeVar("M", bound=Trainable)


@final
@dataclass(frozen=True)
class Choice:
    """What `Free` decided for one path: its bijection and, where `each` widens it, the place."""

    bijection: Bijection
    place: str | None = None


@final
@dataclass(frozen=True)
class Free:
    """The trainable parameters: glob over paths → bijection, or `each(place, bijection)`.

    In a glob `*` stands for any text, dots included; every other character stands for itself. Where several
    globs match a path, the last one wins. Methods raise `UnknownNameError` for a glob that matches nothing
    in the model.
    """

    globs: Mapping[str, Bijection | Each]

    def __post_init__(self) -> None:
        of_kind(self.globs, Mapping, "Free", "a dictionary such as {'*.hh.gna': positive()}")
        for glob, entry in self.globs.items():
            text(glob, "Free: a glob over paths")
            inner = entry.x if isinstance(entry, Each) else entry
            if not isinstance(inner, Bijection):
                raise ParameterError(
                    f"Free: '{glob}' is given {shown(inner)}, not a bijection; "
                    "write bounded(lo, hi), positive() or unbounded(), or each(place, one of these)"
                )
        object.__setattr__(self, "globs", dict(self.globs))

    def __hash__(self) -> int:
        return hash(frozenset(self.globs.items()))

    def choices(self, model: Trainable) -> dict[str, Choice]:
        """Path → choice, in the order of the model's parameters."""
        require_trainable("Free", model)
        found: dict[str, Choice] = {}
        for glob, entry in self.globs.items():
            paths = matching(glob, model.params)
            if not paths:
                raise unknown("parameter", glob, model.params)
            choice = Choice(entry.x, entry.scope) if isinstance(entry, Each) else Choice(entry)
            found.update(dict.fromkeys(paths, choice))
        return {path: found[path] for path in model.params if path in found}

    def widened(self, model: M) -> M:
        """Return `model` with every parameter under `each` widened to one value per place."""
        return _widened(model, self.choices(model))

    def init(self, model: Trainable) -> Theta:
        """Return the unconstrained numbers that stand for the model's present values.

        Raises `ParameterError` for a value outside its range, naming path, value and range.
        """
        choices = self.choices(model)
        params = _widened(model, choices).params
        theta = {}
        for path, choice in choices.items():
            value = jnp.asarray(params[path])
            if not jnp.issubdtype(value.dtype, jnp.floating):
                raise ParameterError(
                    f"{path} holds {value.dtype} values, which have no gradient; leave it out of Free"
                )
            theta[path] = choice.bijection.inverse(value, path)
        return theta

    def apply(self, model: M, theta: Mapping[str, Float[Array, "..."]]) -> M:
        """Return `model` with the values that `theta` stands for; works under `jit`, `grad` and `vmap`.

        Raises `ParameterError` when `theta` is not one of this `Free` and this model.
        """
        choices = self.choices(model)
        of_kind(theta, Mapping, "Free.apply: theta", "what free.init gives")
        if choices.keys() != theta.keys():
            odd = ", ".join(sorted(map(str, choices.keys() ^ theta.keys()))[:3])
            raise ParameterError(
                f"theta does not fit this Free and model (differs in {odd}); make it with free.init"
            )
        for path, x in theta.items():
            numeric(x, f"theta of {path}")
        values = {path: choice.bijection.forward(theta[path]) for path, choice in choices.items()}
        return _widened(model, choices).replace(values)

    def count(self, model: Trainable) -> int:
        """Return how many numbers are trained."""
        choices = self.choices(model)
        params = _widened(model, choices).params
        return sum(jnp.size(params[path]) for path in choices)

    def table(self, model: Trainable, reference: Trainable | None = None) -> ParameterTable:
        """Return a printable table of the trained parameters, with the change against `reference` if given."""
        choices = self.choices(model)
        if reference is not None:
            require_trainable("Free.table: the reference", reference)
        before = None if reference is None else _widened(reference, choices).params
        bijections = {path: choice.bijection for path, choice in choices.items()}
        return tabulate(bijections, _widened(model, choices).params, model.units, before)


def matching(glob: str, paths: Iterable[str]) -> list[str]:
    """Return the paths that a glob matches: `*` stands for any text, every other character for itself."""
    pattern = re.compile(".*".join(re.escape(part) for part in glob.split("*")), re.DOTALL)
    return [path for path in paths if pattern.fullmatch(path)]


def _widened(model: M, choices: Mapping[str, Choice]) -> M:
    for path, choice in choices.items():
        if choice.place is not None:
            model = model.widened(path, choice.place)
    return model


def require_trainable(caller: str, model: Any) -> None:
    """Raise `ParameterError` unless `model` is a `Trainable`; `caller` names who asks."""
    if isinstance(model, type) or not isinstance(model, Trainable):
        raise ParameterError(
            f"{caller} needs a Model, not {type(model).__name__}; call .discretize(…) on the recipe first"
        )


def check_kinds(caller: str, loss: Any, model: Any, free: Any) -> None:
    """Raise `ParameterError` unless these are a function, a model and a `Free`; `caller` names who asks."""
    function(loss, f"{caller}: loss", "give a function of the model")
    require_trainable(caller, model)
    if not isinstance(free, Free):
        raise ParameterError(
            f"{caller}: free is a {type(free).__name__}; write Free({{'*.hh.gna': positive()}})"
        )
