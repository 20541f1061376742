"""What a mechanism is: a frozen pytree of parameters with gates and a current; `Channel` and `Synapse`."""

import dataclasses
import inspect
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import units
from .._errors import ParameterError, unknown
from .._types import Array
from .gating import Q10, Gate
from .params import ParamSpec, adopt, check_value, spec_of


class Mechanism(eqx.Module):
    """Parameters with a unit each, checked when written; the common ground of `Channel` and `Synapse`."""

    q10: ClassVar[Q10 | None] = None

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        adopt(cls)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        # Here, before Python's own TypeError, a misspelt name can still be answered with the right one.
        if missing := sorted(getattr(cls, "__abstractmethods__", ())):
            raise ParameterError(f"{cls.__name__} has no {' and no '.join(missing)}; define it in a subclass")
        taken = list(inspect.signature(cls.__init__).parameters.values())[1:]
        kinds, names = {p.kind for p in taken}, [p.name for p in taken]
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            for name in kwargs:
                if name not in names:
                    raise unknown("parameter", name, names, cls.__name__)
        if inspect.Parameter.VAR_POSITIONAL not in kinds and len(args) > len(names):
            known = ", ".join(names)
            raise ParameterError(f"{cls.__name__} takes {len(names)} values ({known}), not {len(args)}")
        return super().__new__(cls, *args, **kwargs)

    def __check_init__(self):
        for spec in self.specs():
            check_value(type(self).__name__, spec, getattr(self, spec.name))

    @classmethod
    def specs(cls) -> tuple[ParamSpec, ...]:
        """Return what the parameters of the class are, in order of declaration."""
        return tuple(s for f in dataclasses.fields(cls) if (s := spec_of(f)) is not None)

    def params(self) -> dict[str, Any]:
        """Return the values of all parameters by name, each in the unit that `specs` tells."""
        return {spec.name: getattr(self, spec.name) for spec in self.specs()}

    def with_params(self, values: Mapping[str, Any]) -> Self:
        """Return a copy with some parameters replaced.

        Text is converted and plain numbers are checked; arrays, tracers and anything else pass as they are.
        Raises `UnknownNameError` for a name that is no parameter.
        """
        specs = {spec.name: spec for spec in self.specs()}
        new = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        for name, x in values.items():
            if name not in specs:
                raise unknown("parameter", name, specs, type(self).__name__)
            if isinstance(x, str | int | float):
                x = units.value(x, specs[name].unit, f"{type(self).__name__}.{name}")
                check_value(type(self).__name__, specs[name], x)
            new[name] = x
        copy = object.__new__(type(self))
        for name, x in new.items():
            object.__setattr__(copy, name, x)
        return copy

    def temperature_factor(self, celsius: Any) -> Any:
        """Return the factor on all gate rates at `celsius` (°C); 1.0 without temperature or `q10`."""
        return 1.0 if celsius is None or self.q10 is None else self.q10(celsius)


class Channel(Mechanism):
    """A membrane current per area. Subclass it with parameters, `current` and, if it has gates, `gates`.

    `q10 = Q10(3.0, at=6.3)` in the class body scales all gate rates with temperature.
    """

    def gates(self, v: Array) -> dict[str, Gate]:
        """Return the gates at voltage `v` (mV, any shape) by name; none by default."""
        return {}

    @abstractmethod
    def current(self, v: Any, *args: Any, **gates: Any) -> Any:
        """Return the current density (mA/cm², outward positive, shape of `v`) at `v` (mV).

        Define it with one argument per gate, by name: `def current(self, v, m, h)`.
        """

    def check(self) -> None:
        """Raise `ParameterError` if `gates` and `current` do not fit together. Nothing is computed."""
        name, v = type(self).__name__, jax.ShapeDtypeStruct((3,), jnp.result_type(float))
        plain = self.with_params({spec.name: spec.default for spec in self.specs()})
        gates = jax.eval_shape(plain.gates, v)
        _match(f"{name}.gates", f"{name}.current", type(self).current, gates)
        current = jax.eval_shape(lambda v: plain.current(v, **dict.fromkeys(gates, v)), v)
        if (shape := getattr(current, "shape", None)) != v.shape:
            raise ParameterError(
                f"{name}.current has shape {shape} at a voltage of shape {v.shape}; keep that"
            )


class Synapse(Mechanism):
    """A synapse whose state lives at the presynaptic site: one signal there drives all targets."""

    @abstractmethod
    def gates(self, v_pre: Array) -> dict[str, Gate]:
        """Return the gates at presynaptic voltage `v_pre` (mV, any shape) by name."""

    @abstractmethod
    def release(self, *args: Any, **gates: Any) -> Any:
        """Return the transmitter signal s (no unit, ≥ 0) per presynaptic site from the gate values."""

    @abstractmethod
    def current(self, v: Any, g: Any) -> Any:
        """Return the current (nA, outward positive) at postsynaptic `v` (mV); g = Σ weight · s in µS."""

    def check(self) -> None:
        """Raise `ParameterError` if `gates` and `release` do not fit together. Nothing is computed."""
        name, v = type(self).__name__, jax.ShapeDtypeStruct((3,), jnp.result_type(float))
        plain = self.with_params({spec.name: spec.default for spec in self.specs()})
        _match(f"{name}.gates", f"{name}.release", type(self).release, jax.eval_shape(plain.gates, v))


def _match(giver: str, taker: str, function: Any, gates: Any) -> None:
    """Raise `ParameterError` unless `gates` is a dict of exactly the gates that `function` takes."""
    if not isinstance(gates, dict) or not all(isinstance(g, Gate) for g in gates.values()):
        cure = "return a dict such as {'n': Gate.rates(a, b)}"
        raise ParameterError(f"{giver} does not return gates by name; {cure}")
    taken = list(inspect.signature(function).parameters.values())[1:]
    taken = taken[1:] if taker.endswith("current") else taken
    named = [p for p in taken if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    have = ", ".join(gates) or "no gate"
    for p in named:
        if p.name not in gates and p.default is p.empty:
            raise ParameterError(f"{taker} takes gate '{p.name}', but {giver} gives {have}")
    if not any(p.kind == p.VAR_KEYWORD for p in taken):
        for gate in gates:
            if gate not in {p.name for p in named}:
                raise ParameterError(f"{giver} gives gate '{gate}', but {taker} does not take it")
