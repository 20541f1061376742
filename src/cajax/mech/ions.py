"""The ions that exist: reversal potentials, pools, pumps, shells, and what diffuses along the cell."""

from itertools import pairwise
from typing import Any, ClassVar, final

import equinox as eqx

from ..base.checks import count, flag
from ..base.types import Array, Param
from .ion import Ion
from .kinetics import States
from .params import param


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


@final
class Held(Ion):
    """An ion whose concentrations `ci`, `co` and reversal potential `e` all stand still, whatever Nernst says."""

    has_own_reversal: ClassVar[bool] = True

    e: Param = param(-77.0, "mV")
    ci: Param = param(54.4, "mM", lo=1e-12)
    co: Param = param(2.5, "mM", lo=1e-12)

    def inside(self, *args: Any, **states: Any) -> Any:
        return self.ci

    def outside(self, **states: Array) -> Any:
        return self.co

    def reversal(self, inside: Any, outside: Any, valence: int, celsius: Any) -> Any:
        return self.e


class _OneVolume(Ion):
    """An ion of one concentration that changes, the state `i`, from `initial` · `ci` on; outside it stays `co`."""

    ci: eqx.AbstractVar[Param]
    co: eqx.AbstractVar[Param]
    initial: eqx.AbstractVar[Param]

    def start(self) -> States:
        return {"i": self.initial * self.ci}

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

    `gamma` is the fraction that stays free of buffers; at rest c = `ci`, at the start `initial` times that. Source:
    Destexhe, Mainen & Sejnowski (1994), J Comput Neurosci 1:195; with gamma = 0.05, depth 0.1 µm and tau 80 ms the pool
    of Hay et al. (2011).
    """

    ci: Param = param(1e-4, "mM", lo=1e-12)
    co: Param = param(2.0, "mM", lo=1e-12)
    initial: Param = param(1.0, "1", lo=1e-12)
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
    initial: Param = param(1.0, "1", lo=1e-12)
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
    initial: Param = param(1.0, "1", lo=1e-12)
    d: Param = param(0.6, "um2/ms", lo=0.0)
    buffer: Param = param(0.003, "mM", lo=0.0)
    kf: Param = param(100.0, "1/mM/ms", lo=0.0)
    kb: Param = param(0.1, "1/ms", lo=1e-12)
    vmax: Param = param(0.0, "mM*um/ms", lo=0.0)
    km: Param = param(1e-3, "mM", lo=1e-12)
    shells: int = eqx.field(default=4, static=True, converter=_as_shells)
    axial: bool = eqx.field(default=True, static=True, converter=_as_axial)

    def start(self) -> States:
        c = self.initial * self.ci
        free = self.buffer * self.kb / (self.kb + self.kf * c)
        return {f"c{k}": c for k in range(self.shells)} | {f"b{k}": free for k in range(self.shells)}

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
    initial: Param = param(1.0, "1", lo=1e-12)
    d: Param = param(0.6, "um2/ms", lo=0.0)
    gamma: Param = param(1.0, "1", lo=0.0)
    tau: Param = param(1e4, "ms", lo=1e-6)

    def rates(self, flux: Array, radius: Array, states: States) -> States:
        return {"i": 2.0 * self.gamma * flux / radius - (states["i"] - self.ci) / self.tau}

    def diffusion(self) -> dict[str, Any]:
        return {"i": self.d}
