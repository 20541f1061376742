"""The parameters, units and painted values that lowering meets on its walk through the recipes."""

import dataclasses
from collections.abc import Mapping
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from ..base.checks import reals
from ..base.distributions import Distribution, Laid, Selection
from ..base.errors import ParameterError, unknown
from ..base.types import Array
from ..mech import ParamSpec, check_value
from ..model.fields import ALONG, SHARED, Address, Painted
from .territory import Territory


@final
class Parameters:
    """What is gathered: path → value, and path → what it is."""

    def __init__(self) -> None:
        self.params: dict[str, Array] = {}
        self.specs: dict[str, ParamSpec] = {}

    def add(self, path: str, value: Any, spec: ParamSpec) -> None:
        """Register one parameter; raises `ParameterError` for what is no finite number."""
        self.params[path] = jnp.asarray(reals(value, spec.unit, f"parameter '{path}'"), dtype=float)
        self.specs[path] = spec

    def painted(
        self, address: Address, value: Any, spec: ParamSpec, owner: str, ground: Territory, where: np.ndarray
    ) -> Painted:
        """Register one painted value and return what fills the entries `where` of its field.

        `ground` are the CVs of these entries, `owner` names the mechanism in errors. Raises `ParameterError` for
        shapes and functions that do not fit the ground.
        """
        path = address.path
        if isinstance(value, Distribution):
            return self._laid(address, _over(value, path, ground), spec, owner, ground, where)
        if np.ndim(value) != 0:
            raise ParameterError(
                f"parameter '{path}' was given an array of shape {np.shape(value)}; write each('cv', values)"
            )
        self.add(path, value, spec)
        return Painted(address, SHARED, where, ground.owners)

    def _laid(
        self, address: Address, laid: Laid, spec: ParamSpec, owner: str, ground: Territory, where: np.ndarray
    ) -> Painted:
        owners, path = ground.owners, address.path
        if laid.fn is not None:
            inner = _coefficient_spec(spec, isinstance(laid.fn, Selection))
            coefficients = {k: reals(x, inner.unit, f"{path}.{k}") for k, x in laid.coefficients.items()}
            _check_function(path, laid, coefficients, ground, spec, owner)
            for name, number in coefficients.items():
                self.add(f"{path}.{name}", number, dataclasses.replace(inner, name=name))
            return Painted(address, ALONG, where, owners, laid.measure, laid.fn, tuple(coefficients))
        if laid.scope not in owners:
            raise unknown("scope", laid.scope, owners, f"parameter '{path}'")
        values = np.asarray(reals(laid.values, spec.unit, f"{owner}.{spec.name}"))
        check_value(owner, spec, values)
        width = int(owners[laid.scope].max()) + 1
        if values.shape not in ((), (width,)):
            raise ParameterError(
                f"parameter '{path}': each('{laid.scope}', …) needs one value or {width}, not {values.shape}"
            )
        self.add(path, np.broadcast_to(values, (width,)), spec)
        return Painted(address, laid.scope, where, owners)


def _over(value: Distribution, path: str, ground: Territory) -> Laid:
    try:
        return value.over(ground)
    except ParameterError as error:
        raise ParameterError(f"parameter '{path}': {error}") from None


def _coefficient_spec(spec: ParamSpec, chosen: bool) -> ParamSpec:
    """Return what a coefficient is, apart from its name: a value of the parameter if `chosen`, else a plain number."""
    return dataclasses.replace(spec, default=None) if chosen else ParamSpec("", None, "1", None, None)


def _check_function(
    path: str, laid: Laid, coefficients: Mapping[str, Any], ground: Territory, spec: ParamSpec, owner: str
) -> None:
    """Raise `ParameterError` unless the function of a graded value takes its measure and gives a good value per CV."""
    fn: Any = laid.fn
    if np.shape(laid.measure) != (ground.size,):
        raise ParameterError(
            f"parameter '{path}' is graded along {np.shape(laid.measure)} values, but is painted on {ground.size} CVs"
        )
    try:
        jax.eval_shape(fn, jnp.asarray(laid.measure), **coefficients)  # so that it can be differentiated
        out = fn(jnp.asarray(laid.measure), **coefficients)
    except Exception as error:  # whatever a user's function may raise
        reason = next(iter(str(error).splitlines()), "")
        raise ParameterError(
            f"parameter '{path}': the function of along() fails: {type(error).__name__}: {reason}"
        ) from error
    out = reals(out, spec.unit, f"parameter '{path}', the value of along()'s function,")
    if np.shape(out) not in ((), (ground.size,)):
        raise ParameterError(
            f"parameter '{path}': along()'s function returns shape {np.shape(out)} for a measure of"
            f" {np.shape(laid.measure)}"
        )
    check_value(owner, spec, out)
