"""What a mechanism is: a frozen pytree of parameters with gates and a current; `Channel` and `Synapse`."""

import dataclasses
import inspect
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self, TypeVar, final
from weakref import WeakKeyDictionary

import equinox as eqx
import jax
import jax.numpy as jnp

from ..base import units
from ..base.checks import of_kind
from ..base.errors import ParameterError, unknown
from ..base.names import on_disk
from ..base.objects import optional
from ..base.types import Array
from .gating import Q10
from .kinetics import Kinetics, instant_states
from .params import ParamSpec, adopt, check_value, spec_of
from .ports import asked, is_reading

T = TypeVar("T")


@final
@on_disk
@dataclasses.dataclass(frozen=True)
class Outline:
    """What a channel is made of: its states, what its gates and its current read, and which ions carry the current.

    `parts`: what the current can be recorded by, beside the whole; `instant`: the states without memory, which the
    current takes at its own voltage.
    """

    states: tuple[str, ...]
    gates_read: tuple[str, ...]
    current_reads: tuple[str, ...]
    carriers: tuple[str, ...]
    parts: tuple[str, ...]
    instant: tuple[str, ...] = ()


class Mechanism(eqx.Module):
    """Parameters with a unit each, checked when written; the common ground of `Channel` and `Synapse`."""

    q10: ClassVar[Q10 | None] = None

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        adopt(cls)
        on_disk(cls)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if cls is Mechanism:
            raise ParameterError(
                "Mechanism is abstract; write a Channel, a Synapse, an EventSynapse or an Ion"
            )
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

    def plain(self) -> Self:
        """Return the mechanism with the default of every parameter: what stays are the choices, which are static."""
        return self.with_params({spec.name: spec.default for spec in self.specs()})

    def params(self) -> dict[str, Any]:
        """Return the values of all parameters by name, each in the unit that `specs` tells."""
        return {spec.name: getattr(self, spec.name) for spec in self.specs()}

    def with_params(self, values: Mapping[str, Any]) -> Self:
        """Return a copy with some parameters replaced.

        Text is converted and values are checked, but for JAX's arrays, which pass as they are.
        Raises `UnknownNameError` for a name that is no parameter.
        """
        specs = {spec.name: spec for spec in self.specs()}
        new = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        for name, x in of_kind(values, Mapping, "with_params", "a dictionary of values by name").items():
            if not isinstance(name, str) or name not in specs:
                raise unknown("parameter", name, specs, type(self).__name__)
            if not isinstance(x, jax.Array):
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

    Both may take further arguments that the surroundings fill by name: `eca` (mV), `cai` and `cao` (mM) of an ion "ca",
    `celsius`. `ion = "ca"` in the class body says which ion carries the current. `q10 = Q10(3.0, at=6.3)` scales all
    gate rates with temperature.
    """

    ion: ClassVar[str | None] = None
    is_point: ClassVar[bool] = False
    """Whether it is a point neuron, with a `threshold` and a `reset`."""
    is_fixed: ClassVar[bool] = False
    """Whether its methods are made of nothing that may change, such as the text of a file: they are examined once."""
    secant: ClassVar[float] = 0.0
    """The slope of the current in a step of first order: over how many mV a difference is taken, as NEURON does, 0 for
    the derivative. In single precision it is the derivative always."""

    @optional
    def gates(self, v: Array, *args: Any, **readings: Any) -> Mapping[str, Kinetics]:
        """Return the gates and other kinetics at voltage `v` (mV, any shape) by name; none by default."""
        return {}

    @abstractmethod
    def current(self, v: Any, *args: Any, **gates: Any) -> Any:
        """Return the current density (mA/cm², outward positive, shape of `v`) at `v` (mV).

        Define it with one argument per gate or state, by name: `def current(self, v, m, h)`. Where several ions carry
        it, return a dict from ion to current; under "" goes what no ion carries.
        """

    def carried(self, v: Any, **given: Any) -> dict[str, Any]:
        """Return the current by the ion that carries it, "" for what none does; `given` may hold more than it takes."""
        taken = inspect.signature(type(self).current).parameters.values()
        if not any(p.kind == p.VAR_KEYWORD for p in taken):
            given = {p.name: given[p.name] for p in taken if p.name in given}
        current = self.current(v, **given)
        return current if isinstance(current, dict) else {self.ion or "": current}

    @optional
    def parts(self, v: Any, *args: Any, **given: Any) -> dict[str, Any]:
        """Return the current by what it can be recorded by: the ions that carry it, unless the channel says more."""
        return self.carried(v, **given)

    @optional
    def runaway(self, v: Any, *args: Any, **states: Any) -> Any:
        """Return the part of the current (mA/cm²) that a step takes as it is at its start; None where there is none."""
        return None

    def outline(self) -> Outline:
        """Return the names of the states, and what `gates` and `current` read; `ParameterError` where they do not fit.

        Nothing is computed; where `is_fixed` it is found out once for all of the class with the same choices.
        """
        return _once(self, "outline", self._outlined)

    def _outlined(self) -> Outline:
        name, v = type(self).__name__, jax.ShapeDtypeStruct((3,), jnp.result_type(float))
        plain = self.plain()
        gates_read = tuple(asked(type(self).gates, 1))
        for reading in gates_read:
            if not is_reading(reading):
                raise ParameterError(
                    f"{name}.gates takes '{reading}', which nothing provides; an ion's would be cai, cao or eca"
                )
        states, needed, instant = _examined(plain.gates, v, gates_read, f"{name}.gates")
        readings = _match(f"{name}.gates", f"{name}.current", type(self).current, states, needed, 1)
        given = dict.fromkeys((*states, *readings), v)
        carriers = jax.eval_shape(lambda v, g: plain.carried(v, **g), v, given)
        for current in carriers.values():
            if (shape := getattr(current, "shape", None)) != v.shape:
                raise ParameterError(
                    f"{name}.current has shape {shape} at a voltage of shape {v.shape}; keep that"
                )
        parts = jax.eval_shape(lambda v, g: plain.parts(v, **g), v, given)
        carried, recorded = (tuple(x for x in by_name if x) for by_name in (carriers, parts))
        return Outline(tuple(states), gates_read, readings, carried, recorded, instant)

    def check(self) -> None:
        """Raise `ParameterError` if `gates` and `current` do not fit together. Nothing is computed."""
        _once(self, "check", self._checked_steps)

    def _checked_steps(self) -> bool:
        _check_steps(f"{type(self).__name__}.gates", self.plain().gates, self.outline().gates_read)
        return True


_KNOWN: WeakKeyDictionary[type, dict[Any, Any]] = WeakKeyDictionary()
"""What was found out about a class: (what, its choices) → the result."""


def _once(channel: Channel, what: str, find: Callable[[], T]) -> T:
    """Return what `find` finds out about the class and the choices of a channel; where `is_fixed` it looks once."""
    if not channel.is_fixed:
        return find()
    parameters = {spec.name for spec in channel.specs()}
    fields = (f.name for f in dataclasses.fields(channel) if f.name not in parameters)
    key = what, tuple((name, getattr(channel, name)) for name in fields)
    known = _KNOWN.setdefault(type(channel), {})
    try:
        is_known = key in known
    except TypeError:  # a choice that cannot be compared
        return find()
    if not is_known:
        known[key] = find()
    return known[key]


class Synapse(Mechanism):
    """A synapse whose state lives at the presynaptic site: one signal there drives all targets."""

    @abstractmethod
    def gates(self, v_pre: Array) -> Mapping[str, Kinetics]:
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
        plain = self.plain()
        states, needed, _ = _examined(plain.gates, v, (), f"{name}.gates")
        if readings := _match(f"{name}.gates", f"{name}.release", type(self).release, states, needed, 0):
            raise ParameterError(
                f"{name}.release takes '{readings[0]}', but {name}.gates gives {', '.join(states)}"
            )
        _check_steps(f"{name}.gates", plain.gates, ())


def _examined(
    gates: Any, v: Any, reads: Sequence[str], giver: str
) -> tuple[list[str], list[str], tuple[str, ...]]:
    """Return the names of all states, of those that must be used, and of those without memory. Nothing is computed."""
    facts: list[tuple[list[str], list[str], tuple[str, ...]]] = []

    def trace(v: Any, readings: dict[str, Any]) -> None:
        kinetics = _checked(gates(v, **readings), giver)
        names = [name for own, kind in kinetics.items() for name in kind.names(own)]
        for name in names:
            if names.count(name) > 1:
                raise ParameterError(f"{giver} gives the state '{name}' twice; call one of them otherwise")
        needed = [name for own, kind in kinetics.items() for name in kind.needed(own)]
        facts.append((names, needed, tuple(instant_states(kinetics))))

    jax.eval_shape(trace, v, dict.fromkeys(reads, v))
    return facts[0]


def _checked(kinetics: Any, giver: str) -> dict[str, Kinetics]:
    if not isinstance(kinetics, dict) or not all(isinstance(kind, Kinetics) for kind in kinetics.values()):
        cure = "return a dict such as {'n': Gate.rates(a, b)}"
        raise ParameterError(f"{giver} does not return gates by name; {cure}")
    return kinetics


def _check_steps(giver: str, gates: Any, reads: Sequence[str]) -> None:
    """Raise `ParameterError` unless every kind of kinetics starts with, and returns, the states that it names."""
    v = jax.ShapeDtypeStruct((3,), jnp.result_type(float))

    def trace(v: Any, readings: dict[str, Any]) -> None:
        for own, kind in gates(v, **readings).items():
            start = kind.rest(own)
            now = {name: jnp.broadcast_to(jnp.asarray(x, v.dtype), v.shape) for name, x in start.items()}
            steps = [kind.scaled(2.0).advance(own, now, 0.1, order) for order in (1, 2)]
            for states in (start, *steps):
                if set(states) != set(kind.names(own)):
                    raise ParameterError(
                        f"{giver}: the {type(kind).__name__} '{own}' names {', '.join(kind.names(own))}, but has"
                        f" {', '.join(states) or 'no state'}"
                    )
            for states in steps:
                for name, x in states.items():
                    if jnp.shape(x) != v.shape:
                        raise ParameterError(
                            f"{giver}: '{name}' has shape {jnp.shape(x)} after a step from shape {v.shape}; keep that"
                        )

    jax.eval_shape(trace, v, dict.fromkeys(reads, v))


def _match(
    giver: str, taker: str, function: Any, states: Sequence[str], needed: Sequence[str], skip: int
) -> tuple[str, ...]:
    """Return what `function` reads beside the states; `ParameterError` where it takes more or less than there is."""
    taken = list(inspect.signature(function).parameters.values())[1 + skip :]
    named = [p for p in taken if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    have = ", ".join(states) or "no gate"
    for p in named:
        if p.name not in states and p.default is p.empty and not is_reading(p.name):
            raise ParameterError(f"{taker} takes gate '{p.name}', but {giver} gives {have}")
    if not any(p.kind == p.VAR_KEYWORD for p in taken):
        for name in needed:
            if name not in {p.name for p in named}:
                raise ParameterError(f"{giver} gives gate '{name}', but {taker} does not take it")
    return tuple(p.name for p in named if p.name not in states and is_reading(p.name))
