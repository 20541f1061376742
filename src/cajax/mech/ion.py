"""What an ion is: the concentrations of a species at the membrane, and what changes them."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from ..base.checks import count, word
from ..base.errors import ParameterError
from ..base.objects import optional
from ..base.types import Array
from .base import Mechanism
from .kinetics import States
from .ports import VOLTAGE, asked, is_reading
from .potentials import VALENCE, nernst


def _as_species(x: Any) -> str | None:
    return None if x is None else word(x, "the species of an ion")


def _as_valence(x: Any) -> int | None:
    return None if x is None else count(x, "the valence of an ion", least=-9, most=9)


class Ion(Mechanism):
    """One ion species at the membrane: what channels read of it, and what their currents do to it.

    Painted like a channel; the name it is painted under is its species (`ca=Pool()`), unless `species` says otherwise.
    Channels read `eca`, `cai`, `cao` by taking arguments of these names. An ion whose concentration changes has states
    (`start`) and their `rates`. `start`, `rates` and `current` take more by the names of their arguments, as a channel
    does: the voltage `v`, `celsius`, `t`, `diam`, `area`, and what other ions have (`cai`, `ek`) and carry (`ik`).
    """

    has_own_reversal: ClassVar[bool] = False
    """Whether its reversal potential is a parameter, which needs no concentrations and no temperature."""

    species: str | None = eqx.field(default=None, static=True, kw_only=True, converter=_as_species)
    valence: int | None = eqx.field(default=None, static=True, kw_only=True, converter=_as_valence)

    def charge(self, species: str) -> int:
        """Return the charge number; raises `ParameterError` for a species that has none."""
        z = VALENCE.get(species) if self.valence is None else self.valence
        if not z:
            raise ParameterError(
                f"the ion '{species}' has no charge number; paint it with valence=1, or as one of {', '.join(VALENCE)}"
            )
        return z

    @optional
    def start(self, *args: Any, **around: Any) -> States:
        """Return the states at the start of a run (mM); none where concentrations stand still."""
        return {}

    def begun(self, around: Mapping[str, Any]) -> States:
        """Return the states at the start of a run among these surroundings, of which `start` takes what it asks for."""
        return self.start(**{name: around[name] for name in self.start_reads()})

    def example(self) -> States:
        """Return states of the right names, for surroundings that stand for any."""
        return {k: jnp.asarray(x) for k, x in self.begun(dict.fromkeys(self.start_reads(), 1.0)).items()}

    @optional
    def companions(self) -> Mapping[str, "Ion"]:
        """Return further species that the states hold too, each an `Ion` that sees these states; none by default."""
        return {}

    @abstractmethod
    def inside(self, *args: Any, **states: Any) -> Any:
        """Return the concentration just inside the membrane (mM), None where it is not known."""

    @optional
    def outside(self, **states: Array) -> Any:
        """Return the concentration outside (mM), None where it is not known."""
        return None

    @optional
    def potential(self, *args: Any, **states: Any) -> Any:
        """Return the reversal potential that the states hold (mV), None where `reversal` says it."""
        return None

    @optional
    def reversal(self, inside: Any, outside: Any, valence: int, celsius: Any) -> Any:
        """Return the reversal potential (mV): Nernst's, unless the ion has one of its own."""
        if celsius is None:
            raise ParameterError(
                "a Nernst potential needs a temperature: give the cell one, Cell(…, temperature=37.0)"
            )
        return nernst(inside, outside, valence, celsius)

    @optional
    def rates(self, flux: Array, radius: Array, states: States, *args: Any, **around: Any) -> States:
        """Return d/dt of every state (mM/ms).

        `flux` is what the species' currents bring in per membrane area (mM · µm/ms: over a depth in µm it gives
        mM/ms), `radius` that of the control volume (µm). One defined as `rates(self, flux, radius, states, v)` is
        given the membrane voltage too (mV, one value per control volume), for a pump or a buffer that depends on it.
        """
        return {}

    @optional
    def current(self, v: Any, *args: Any, **given: Any) -> dict[str, Any]:
        """Return the ion's own current (mA/cm², outward positive) by the species that carries it, as a pump has one.

        It takes states by name, and of its surroundings what it names; "" goes for what no ion carries.
        """
        return {}

    @optional
    def stepped(self, flux: Array, radius: Array, states: States, dt: Any, order: int, **around: Any) -> Any:
        """Return the states `dt` ms later for a flux that stands still, None to leave the step to the engine.

        The engine's step is implicit, from `rates`. What an ion knows better, such as an exact step, it takes here, by
        the `order` of the method; an ion that diffuses along the cell is not asked.
        """
        return None

    @classmethod
    def reads(cls) -> tuple[str, ...]:
        """Return what `rates` takes of its surroundings, `v` among it."""
        return tuple(n for n in asked(cls.rates, 3) if n == VOLTAGE or is_reading(n))

    @classmethod
    def start_reads(cls) -> tuple[str, ...]:
        """Return what `start` takes of its surroundings."""
        return tuple(asked(cls.start, 0))

    @classmethod
    def current_reads(cls) -> tuple[str, ...] | None:
        """Return what `current` takes, states and surroundings; None for an ion without a current of its own."""
        return None if cls.current is Ion.current else tuple(asked(cls.current, 1))

    @classmethod
    def reads_voltage(cls) -> bool:
        """Whether `rates` takes the membrane voltage `v`."""
        return VOLTAGE in cls.reads()

    def check(self) -> None:
        """Raise `ParameterError` if `start`, `inside` and `rates` do not fit together. Nothing is computed."""
        name, x = type(self).__name__, jax.ShapeDtypeStruct((3,), jnp.result_type(float))
        plain = self.plain()
        states = dict.fromkeys(plain.example(), x)
        try:
            jax.eval_shape(lambda s: (plain.inside(**s), plain.outside(**s)), states)
            around = dict.fromkeys(self.reads(), x)
            rates = jax.eval_shape(lambda s, x, a: plain.rates(x, x, s, **a), states, x, around)
        except TypeError as error:
            raise ParameterError(
                f"{name} starts with states {', '.join(states) or 'none'}, but {error}"
            ) from None
        for stray in set(rates) ^ set(states):
            raise ParameterError(f"{name}: the state '{stray}' is not in both start and rates")

    @optional
    def diffusion(self) -> dict[str, Any]:
        """Return the axial diffusion coefficient (µm²/ms) of every state that diffuses."""
        return {}
