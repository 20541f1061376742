"""Objective: recorded sweeps, what is compared, and the runs of a model that are compared with them."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from ..base.checks import number, of_kind
from ..base.errors import ParameterError
from ..base.types import Array, Bool, Float
from ..engine.method import Method, Staggered
from ..inputs.clamps import Current
from ..model.model import Model
from ..simulate import simulate
from .coupling import Coupling
from .recordings import Sweep
from .terms import WORST, Features, Subthreshold, Term, Trace, checked, near_spikes

SPIKE_SAFE = 0.1
"""Longest step (ms) at which spikes are resolved."""

Voltages = Float[Array, "sweep place sample"]


@final
class Objective:
    """What a model shall reproduce: sweeps in current clamp at one place or several, and the terms of the score.

    `sweeps`: a sequence of `Sweep` recorded (and stimulated) at `at`, or place → sequence for several electrodes, whose
    k-th sweeps are one protocol. Runs take steps of `dt` ms by `method`, from the model's rest at the voltage recorded
    first. `window` (ms, ms) cuts every sweep to this stretch. `voltages` [sweep, place, sample] mV and `currents` (nA)
    are the sweeps on the grid of the runs.
    """

    def __init__(
        self,
        sweeps: Sequence[Sweep] | Mapping[Any, Sequence[Sweep]],
        at: Any = "soma",
        terms: Sequence[Term] | None = None,
        dt: float = 0.05,
        window: tuple[float, float] | None = None,
        method: Method = Staggered(),
    ) -> None:
        self.dt = number(dt, "ms", "Objective dt", above=0.0)
        if self.dt > SPIKE_SAFE:
            raise ParameterError(
                f"Objective dt = {dt:g} ms misses the shape of spikes; take at most {SPIKE_SAFE} ms"
            )
        placed = dict(sweeps) if isinstance(sweeps, Mapping) else {at: sweeps}
        self.places = tuple(placed)
        self.sweeps = {
            place: tuple(_ready(s, window, self.dt) for s in found) for place, found in placed.items()
        }
        counts = {len(found) for found in self.sweeps.values()}
        if len(counts) != 1 or 0 in counts:
            raise ParameterError(
                "Objective: every place needs as many sweeps, at least one; the k-th of each are one protocol"
            )
        self.method = of_kind(method, Method, "Objective method", "Staggered() or BackwardEuler()")
        if terms is None:
            terms = (Features(), Subthreshold())
        self.terms = tuple(checked(term) for term in terms)
        self._lay_out()
        self._measure()

    def _lay_out(self) -> None:
        """Put the sweeps on the grid of the runs."""
        rows = list(self.sweeps.values())
        self.samples = max(len(s.v) for found in rows for s in found)
        self.voltages = np.stack([[_filled(s.v, self.samples) for s in found] for found in rows], 1)
        self.currents = np.stack([[_filled(s.i, self.samples) for s in found] for found in rows], 1)
        lengths = [[len(s.v) for s in found] for found in self.sweeps.values()]
        self.recorded = np.arange(self.samples) < np.transpose(lengths)[:, :, None]
        """Which samples [sweep, place, sample] are recorded; the rest repeats the last one."""
        near = [[near_spikes(v, self.dt) for v in row] for row in self.voltages]
        self.calm = self.recorded & ~np.array(near)
        """Which samples [sweep, place, sample] are recorded and far from every recorded spike."""

    def _measure(self) -> None:
        """Let every term take what it needs of the recorded sweeps."""
        grid = [[self.trace(k, p) for p in range(len(self.places))] for k in range(len(self))]
        found = [[[t.measured(x) for x in row] for row in grid] for t in self.terms]
        self.measured = tuple(map(_stacked, found))
        self.counted = tuple(
            np.array([[t.counted(x) for x in row] for row in rows])
            for t, rows in zip(self.terms, found, strict=True)
        )
        """Which residuals [sweep, place, residual] of every term are compared."""

    def __len__(self) -> int:
        """Return the number of protocols."""
        return self.voltages.shape[0]

    @property
    def t(self) -> np.ndarray:
        """The times of the samples (ms)."""
        return np.arange(self.samples) * self.dt

    def trace(self, sweep: int, place: int = 0) -> Trace:
        """Return a recorded sweep on the grid of the runs, with when its stimulus acts."""
        own = self.sweeps[self.places[place]][sweep]
        stimuli = [found[sweep] for found in self.sweeps.values()]
        chosen = own if np.isfinite(own.on) else next((s for s in stimuli if np.isfinite(s.on)), own)
        end = (len(own.v) - 1) * self.dt
        on, off = (chosen.on, min(chosen.off, end)) if np.isfinite(chosen.on) else (0.0, end)
        v, amplitude = self.voltages[sweep, place], float(np.nan_to_num(chosen.amplitude))
        return Trace(own.name, v, self.dt, len(own.v), on, off, amplitude)

    def coupled(self, model: Model) -> Model:
        """Return `model` with a `Coupling` to the recording at every place, as parts "recorded0", "recorded1", …"""
        for k, place in enumerate(self.places):
            pull = Coupling(place, v=self.voltages[0, k], every=self.dt)
            model = model.with_part(f"recorded{k}", pull)
        return model

    def run(self, model: Model, rate: Any = None) -> Float[Array, "sweep place sample"]:
        """Return the voltage (mV) at every place in every protocol; not finite from where a run fails.

        `rate` (1/ms) couples it to the recording; the model is then one of `coupled`. Works under `jit`, `vmap`, `jvp`.
        """
        dtype = model.area.dtype
        one = partial(self._run, model, rate)
        return jax.vmap(one)(jnp.asarray(self.voltages, dtype), jnp.asarray(self.currents, dtype))

    def _run(self, model: Model, rate: Any, v: Array, i: Array) -> Float[Array, "place sample"]:
        at_first = {
            p: jnp.broadcast_to(v[0, 0], jnp.shape(model.params[p])) for p in _initial_voltages(model)
        }
        pulls = {} if rate is None else {f"recorded{k}.rate": rate for k in range(len(self.places))}
        pulls |= {f"recorded{k}.v": v[k] for k in range(len(self.places)) if rate is not None}
        inputs = [Current(place, i[k], self.dt) for k, place in enumerate(self.places)]
        record = {f"v{k}": place for k, place in enumerate(self.places)}
        t1 = (self.samples - 1) * self.dt
        sol = simulate(model.replace(at_first | pulls), t1, self.dt, inputs, record, self.method, throw=False)
        return jnp.stack([sol[name].reshape(self.samples) for name in record])

    def residuals(self, v: Voltages) -> tuple[Float[Array, "sweep place residual"], ...]:
        """Return the residuals of every term for simulated voltages; `WORST` where one is not finite."""
        found = zip(self.counted, self._residuals(v), strict=True)
        return tuple(jnp.where(counted, r, 0.0) for counted, r in found)

    def weighted(self, v: Voltages) -> tuple[Float[Array, "sweep place residual"], ...]:
        """Return the residuals of every term as they are in the score: times the weight, divided by their number."""
        return self._weighted(self._residuals(v))

    def score(self, v: Voltages) -> Float[Array, ""]:
        """Return the score of simulated voltages, less is better: the sum of weight times mean size of the terms."""
        return self.assessed(v)[0]

    def assessed(self, v: Voltages) -> tuple[Float[Array, ""], Bool[Array, ""]]:
        """Return the score, and whether every term says that a local step on its residuals may be taken."""
        residuals = self._residuals(v)
        score = sum((jnp.abs(r).sum() for r in self._weighted(residuals)), jnp.zeros((), v.dtype))
        rows = zip(self.terms, residuals, self.measured, strict=True)
        agrees = [jax.vmap(jax.vmap(term.agrees))(r, m).all() for term, r, m in rows]
        return score, jnp.stack(agrees).all()

    def _residuals(self, v: Voltages) -> list[Array]:
        """Return the residuals of every term [sweep, place, residual], those that are not compared too."""
        terms = zip(self.terms, self.measured, strict=True)
        return [jax.vmap(jax.vmap(partial(_residuals, term, self.dt)))(v, m) for term, m in terms]

    def _weighted(self, residuals: Sequence[Array]) -> tuple[Array, ...]:
        found = zip(self.terms, self.counted, residuals, strict=True)
        return tuple(
            (term.weight / max(int(counted.sum()), 1)) * jnp.where(counted, r, 0.0)
            for term, counted, r in found
        )


def _residuals(term: Term, dt: float, v: Array, measured: Any) -> Array:
    """Return the residuals of a term for one voltage [sample]; `WORST` where one is not finite, or the voltage."""
    r = term.residuals(v, dt, measured)
    return jnp.where(jnp.isfinite(r) & jnp.isfinite(v).all(), jnp.clip(r, -WORST, WORST), WORST)


def _ready(sweep: Any, window: tuple[float, float] | None, dt: float) -> Sweep:
    """Return a sweep cut to the window on the grid of the runs; `ParameterError` for one that cannot be fitted."""
    of_kind(sweep, Sweep, "Objective: sweeps", "a list of the sweeps of read_recording(…)")
    if sweep.mode != "current":
        raise ParameterError(
            f"Objective: sweep '{sweep.name}' is in {sweep.mode} clamp; a fit compares voltages under current clamp"
        )
    cut = sweep if window is None else sweep.cropped(*window)
    return cut if abs(cut.dt / dt - 1.0) < 1e-9 else cut.resampled(dt)


def _filled(x: np.ndarray, samples: int) -> np.ndarray:
    """Return a waveform with its last value repeated up to a number of samples."""
    return np.concatenate([x, np.full(samples - len(x), x[-1])])


def _stacked(rows: list[list[Any]]) -> Any:
    """Return pytrees of arrays, one per sweep and place, as one with these two axes in front."""
    return jax.tree.map(
        lambda *leaves: np.stack(leaves).reshape(len(rows), len(rows[0]), *np.shape(leaves[0])),
        *(measured for row in rows for measured in row),
    )


def _initial_voltages(model: Model) -> list[str]:
    """Return the paths of the initial voltages of a model."""
    return [path for path in model.params if path.rpartition(".")[2] == "v0"]
