"""Ions: reversal potentials, concentrations inside and outside, and what currents, pumps and buffers do to them."""

from abc import abstractmethod
from itertools import pairwise
from typing import Any, ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp

from ..base.checks import broadcast, count, divides, flag, numeric, of_kind, shown, word
from ..base.errors import ParameterError
from ..base.objects import optional
from ..base.types import Array, Param
from .base import Mechanism
from .gating import trap
from .kinetics import States
from .params import param
from .ports import VOLTAGE, asked

FARADAY = 96485.33212  # C/mol, CODATA 2018, exact
GAS = 8.314462618  # J/(mol K), CODATA 2018, exact
KELVIN = 273.15

VALENCE = {"na": 1, "k": 1, "ca": 2, "cl": -1, "mg": 2, "h": 1, "li": 1, "hco3": -1}
"""Charge numbers of the ions that have a name here; any other `Ion` needs `valence=…`."""


def thermal(valence: Any, celsius: Any) -> Any:
    """Return RT/(zF) in mV."""
    return 1e3 * GAS * (celsius + KELVIN) / (valence * FARADAY)


def nernst(inside: Any, outside: Any, valence: Any, celsius: Any) -> Any:
    """Return the Nernst potential RT/(zF) ln(outside/inside) in mV of concentrations in mM (both positive)."""
    _check_numbers("nernst", inside=inside, outside=outside, valence=valence, celsius=celsius)
    return thermal(valence, celsius) * jnp.log(outside / inside)


def ghk(v: Any, inside: Any, outside: Any, valence: Any, celsius: Any) -> Any:
    """Return the Goldman–Hodgkin–Katz current of a permeability of 1 cm/s, in mA/cm², outward positive.

    P z F x (inside − outside exp(−x)) / (1 − exp(−x)) with x = v zF/(RT): smooth through x = 0. `v` in mV,
    concentrations in mM. Source: Hodgkin & Katz, J Physiol 108:37 (1949).
    """
    _check_numbers("ghk", v=v, inside=inside, outside=outside, valence=valence, celsius=celsius)
    x = jnp.clip(jnp.asarray(v / thermal(valence, celsius)), -80.0, 80.0)
    # x/(1 − e^−x) = x/(e^x − 1) + x, and e^−x x/(1 − e^−x) = x/(e^x − 1). C/mol · mM · cm/s is 1e-3 mA/cm².
    t = trap(x, jnp.exp(x))
    return 1e-3 * valence * FARADAY * ((t + x) * inside - t * outside)


def ghk_voltage(
    permeability: dict[str, Any], inside: dict[str, Any], outside: dict[str, Any], celsius: Any
) -> Any:
    """Return the Goldman–Hodgkin–Katz potential (mV) of monovalent ions, with any relative permeabilities.

    Raises `ParameterError` for an ion that is not monovalent.
    """
    _check_numbers("ghk_voltage", celsius=celsius)
    for of in (permeability, inside, outside):
        for name, x in of_kind(of, dict, "ghk_voltage", "dictionaries such as {'k': 1.0}").items():
            numeric(x, f"ghk_voltage {shown(name)}")
    if not permeability:
        raise ParameterError("ghk_voltage needs the permeability of one ion at least, such as {'k': 1.0}")
    if missing := {*permeability} - ({*inside} & {*outside}):
        raise ParameterError(
            f"ghk_voltage needs the concentrations of '{min(map(str, missing))}' inside and outside"
        )
    into, out = 0.0, 0.0
    for name, p in permeability.items():
        if abs(VALENCE.get(name, 0)) != 1:
            raise ParameterError(f"ghk_voltage takes monovalent ions such as na, k and cl, not '{name}'")
        near, far = (inside[name], outside[name]) if VALENCE[name] > 0 else (outside[name], inside[name])
        into, out = into + p * near, out + p * far
    return thermal(1, celsius) * jnp.log(out / into)


def _check_numbers(function: str, **values: Any) -> None:
    """Raise `ParameterError` unless all are numbers that fit one another, and none divides by zero."""
    broadcast(function, **values)
    for name in ("valence", "inside", "outside"):
        if name in values:
            divides(values[name], f"{function} {name}")


def _as_species(x: Any) -> str | None:
    return None if x is None else word(x, "the species of an ion")


def _as_valence(x: Any) -> int | None:
    return None if x is None else count(x, "the valence of an ion", least=-9, most=9)


class Ion(Mechanism):
    """One ion species at the membrane: what channels read of it, and what their currents do to it.

    Painted like a channel; the name it is painted under is its species (`ca=Pool()`), unless `species` says otherwise.
    Channels read `eca`, `cai`, `cao` by taking arguments of these names. An ion whose concentration changes has states
    (`start`) and their `rates`.
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
    def start(self) -> States:
        """Return the states at the start of a run (mM); none where concentrations stand still."""
        return {}

    @abstractmethod
    def inside(self, *args: Any, **states: Any) -> Any:
        """Return the concentration just inside the membrane (mM), None where it is not known."""

    @optional
    def outside(self, **states: Array) -> Any:
        """Return the concentration outside (mM), None where it is not known."""
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
    def rates(self, flux: Array, radius: Array, states: States, *args: Any, **voltage: Any) -> States:
        """Return d/dt of every state (mM/ms).

        `flux` is what the species' currents bring in per membrane area (mM · µm/ms: over a depth in µm it gives
        mM/ms), `radius` that of the control volume (µm). One defined as `rates(self, flux, radius, states, v)` is
        given the membrane voltage too (mV, one value per control volume), for a pump or a buffer that depends on it.
        """
        return {}

    @optional
    def stepped(self, flux: Array, radius: Array, states: States, dt: Any, order: int, **voltage: Any) -> Any:
        """Return the states `dt` ms later for a flux that stands still, None to leave the step to the engine.

        The engine's step is implicit, from `rates`. What an ion knows better, such as an exact step, it takes here, by
        the `order` of the method; an ion that diffuses along the cell is not asked.
        """
        return None

    @classmethod
    def reads_voltage(cls) -> bool:
        """Whether `rates` takes the membrane voltage `v`."""
        return VOLTAGE in asked(cls.rates, 3)

    def check(self) -> None:
        """Raise `ParameterError` if `start`, `inside` and `rates` do not fit together. Nothing is computed."""
        name, x = type(self).__name__, jax.ShapeDtypeStruct((3,), jnp.result_type(float))
        plain = self.plain()
        states = dict.fromkeys(plain.start(), x)
        try:
            jax.eval_shape(lambda s: (plain.inside(**s), plain.outside(**s)), states)
            voltage = {VOLTAGE: x} if self.reads_voltage() else {}
            rates = jax.eval_shape(lambda s, x, v: plain.rates(x, x, s, **v), states, x, voltage)
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


@final
class Reversal(Ion):
    """An ion of which only the reversal potential `e` matters."""

    has_own_reversal: ClassVar[bool] = True

    e: Param = param(-77.0, "mV")

    def inside(self, *args: Any, **states: Any) -> Any:
        return None

    def reversal(self, inside: Any, outside: Any, valence: int, celsius: Any) -> Any:
        return self.e


@final
class Fixed(Ion):
    """An ion whose concentrations `ci` and `co` stand still; it reverses at its Nernst potential."""

    ci: Param = param(10.0, "mM", lo=1e-12)
    co: Param = param(140.0, "mM", lo=1e-12)

    def inside(self, *args: Any, **states: Any) -> Any:
        return self.ci

    def outside(self, **states: Array) -> Any:
        return self.co


class _OneVolume(Ion):
    """An ion of one concentration that changes, the state `i`, from `ci` on; outside it stays `co`."""

    ci: eqx.AbstractVar[Param]
    co: eqx.AbstractVar[Param]

    def start(self) -> States:
        return {"i": self.ci}

    def inside(self, i: Array) -> Any:
        return i

    def outside(self, **states: Array) -> Any:
        return self.co


def _pumped(c: Any, rest: Any, vmax: Any, km: Any) -> Any:
    """Return what a Michaelis–Menten pump takes out at concentration `c`, less the leak that it meets at `rest`."""
    return vmax * (c / (c + km) - rest / (rest + km))


@final
class Pool(_OneVolume):
    """Accumulation in a shell of `depth` under the membrane, with decay: dc/dt = gamma · influx/depth − (c − ci)/tau.

    `gamma` is the fraction that stays free of buffers; at rest c = `ci`. Source: Destexhe, Mainen & Sejnowski (1994),
    J Comput Neurosci 1:195; with gamma = 0.05, depth 0.1 µm and tau 80 ms the pool of Hay et al. (2011).
    """

    ci: Param = param(1e-4, "mM", lo=1e-12)
    co: Param = param(2.0, "mM", lo=1e-12)
    gamma: Param = param(0.05, "1", lo=0.0)
    depth: Param = param(0.1, "um", lo=1e-6)
    tau: Param = param(80.0, "ms", lo=1e-6)

    def rates(self, flux: Array, radius: Array, states: States) -> States:
        return {"i": self.gamma * flux / self.depth - (states["i"] - self.ci) / self.tau}


@final
class Pump(_OneVolume):
    """Accumulation under the membrane, emptied by an electroneutral Michaelis–Menten pump.

    dc/dt = (influx − vmax c/(c + km) + leak)/depth; the leak is what keeps `ci` at rest. `vmax` is the largest flux per
    membrane area (mM · µm/ms). Source: the calcium pump of Destexhe, Contreras, Sejnowski & Steriade (1994), J
    Neurophysiol 72:803, in its quasi-steady form.
    """

    ci: Param = param(1e-4, "mM", lo=1e-12)
    co: Param = param(2.0, "mM", lo=1e-12)
    vmax: Param = param(1e-4, "mM*um/ms", lo=0.0)
    km: Param = param(1e-3, "mM", lo=1e-12)
    depth: Param = param(0.1, "um", lo=1e-6)

    def rates(self, flux: Array, radius: Array, states: States) -> States:
        pumped = _pumped(states["i"], self.ci, self.vmax, self.km)
        return {"i": (flux - pumped) / self.depth}


def _as_shells(x: Any) -> int:
    return count(x, "Shells shells", most=12)


def _as_axial(x: Any) -> bool:
    return flag(x, "Shells axial")


@final
class Shells(Ion):
    """Concentric shells under the membrane: radial and axial diffusion, one immobile buffer, a membrane pump.

    The outermost and the innermost of `shells` are half as thick as the others. In every shell c + b ⇌ cb with `kf`
    (1/(mM ms)) and `kb` (1/ms), total buffer `buffer`. The pump of `Pump` empties the outermost shell. `d` is the
    diffusion coefficient, along the cell too where `axial`. States are `c0` … (outermost first) and `b0` … (free
    buffer). Source: De Schutter & Smolen (1998) in Koch & Segev (eds), Methods in Neuronal Modeling; the shells of
    NEURON's cadif.
    """

    ci: Param = param(5e-5, "mM", lo=1e-12)
    co: Param = param(2.0, "mM", lo=1e-12)
    d: Param = param(0.6, "um2/ms", lo=0.0)
    buffer: Param = param(0.003, "mM", lo=0.0)
    kf: Param = param(100.0, "1/mM/ms", lo=0.0)
    kb: Param = param(0.1, "1/ms", lo=1e-12)
    vmax: Param = param(0.0, "mM*um/ms", lo=0.0)
    km: Param = param(1e-3, "mM", lo=1e-12)
    shells: int = eqx.field(default=4, static=True, converter=_as_shells)
    axial: bool = eqx.field(default=True, static=True, converter=_as_axial)

    def _free(self) -> Any:
        """Return the free buffer at rest (mM)."""
        return self.buffer * self.kb / (self.kb + self.kf * self.ci)

    def start(self) -> States:
        c = {f"c{k}": self.ci for k in range(self.shells)}
        return c | {f"b{k}": self._free() for k in range(self.shells)}

    def inside(self, *args: Any, **states: Any) -> Any:
        return states["c0"]

    def outside(self, **states: Array) -> Any:
        return self.co

    def _edges(self) -> list[float]:
        """Return the radii of the shells' borders relative to the cell's, from the membrane inwards."""
        if self.shells == 1:
            return [1.0, 0.0]
        thick = 1.0 / (self.shells - 1)
        return [1.0, *(1.0 - thick * (k + 0.5) for k in range(self.shells - 1)), 0.0]

    def rates(self, flux: Array, radius: Array, states: States) -> States:
        # Per length of a cylinder of radius r: area 2πr, volume π r² (a² − b²) between relative radii a > b; between
        # neighbouring centres lies a distance r/(shells − 1).
        r, edges = radius, self._edges()
        volume = [a * a - b * b for a, b in pairwise(edges)]
        c = [states[f"c{k}"] for k in range(self.shells)]
        pumped = _pumped(c[0], self.ci, self.vmax, self.km)
        gain = [0.0 * x for x in c]
        gain[0] = gain[0] + 2.0 * (flux - pumped) / r
        for k in range(self.shells - 1):
            flow = 2.0 * self.d * edges[k + 1] * (self.shells - 1) * (c[k] - c[k + 1]) / (r * r)
            gain[k], gain[k + 1] = gain[k] - flow, gain[k + 1] + flow
        change: States = {}
        for k in range(self.shells):
            free = states[f"b{k}"]
            bound = self.kf * c[k] * free - self.kb * (self.buffer - free)
            change[f"c{k}"] = gain[k] / volume[k] - bound
            change[f"b{k}"] = -bound
        return change

    def diffusion(self) -> dict[str, Any]:
        return {f"c{k}": self.d for k in range(self.shells)} if self.axial else {}


@final
class Diffusive(_OneVolume):
    """One well-mixed volume per control volume that accumulates, decays to rest, and diffuses along the cell.

    dc/dt = 2 gamma · influx/radius − (c − ci)/tau + d ∂²c/∂x², the right form for sodium or chloride in thin branches.
    """

    ci: Param = param(10.0, "mM", lo=1e-12)
    co: Param = param(140.0, "mM", lo=1e-12)
    d: Param = param(0.6, "um2/ms", lo=0.0)
    gamma: Param = param(1.0, "1", lo=0.0)
    tau: Param = param(1e4, "ms", lo=1e-6)

    def rates(self, flux: Array, radius: Array, states: States) -> States:
        return {"i": 2.0 * self.gamma * flux / radius - (states["i"] - self.ci) / self.tau}

    def diffusion(self) -> dict[str, Any]:
        return {"i": self.d}
