"""The problem of a search: an objective, a box, and a few compiled programs that evaluate candidates in lanes."""

import time
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from ...base.checks import count
from ...base.types import Array
from ...model.model import Model
from ...train.free import Free
from ..box import Box
from ..objective import Objective
from ..terms import WORST

BIN = 0.5
"""Stretch of time (ms) over which the difference from the recording is averaged in a row of a Jacobian."""
BRIEF = {"xla_cpu_use_fusion_emitters": False, "xla_backend_optimization_level": 1}
"""How scores are compiled: features are hundreds of small operations, which otherwise take twice as long to compile."""


@final
class Problem:
    """An objective, the box of the free parameters, and what evaluates candidates u [candidate, parameter] in it.

    Every evaluation has one of two shapes, so that little is compiled: runs of `lanes` candidates (others fill up), and
    Jacobians of `columns` candidates. `runs` counts simulated protocols, a tangent of a Jacobian as one too.
    """

    def __init__(
        self, objective: Objective, model: Model, free: Free, lanes: int = 32, columns: int = 4
    ) -> None:
        self.objective = objective
        self.box = Box(model, free)
        self.lanes, self.columns = count(lanes, "search: lanes"), count(columns, "search: columns")
        self.runs = 0
        self.compiling = 0.0
        """Seconds that first calls took, compiling included."""
        self._coupled = objective.coupled(self.box.model)
        self._known: set[str] = set()
        self._run = jax.jit(jax.vmap(self._traces))
        brief = partial(jax.jit, compiler_options=BRIEF if jax.default_backend() == "cpu" else None)
        self._assess = brief(jax.vmap(lambda v: (*objective.assessed(v), self._rows(v))))
        self._tangents = jax.jit(jax.vmap(self._with_tangents))
        self._binning = brief(jax.vmap(partial(_pushed, self._rows)))
        self._weighing = brief(jax.vmap(partial(_pushed, self._residuals)))
        bins = max(1, round(BIN / objective.dt))
        self._which = np.arange(objective.samples) // bins
        self.calm = np.asarray(
            jax.vmap(jax.vmap(self._binned))(jnp.asarray(~objective.calm, float)) == 0.0
        ).ravel()
        """Which rows [row] are recorded, and far from every recorded spike."""

    def model_at(self, u: Any) -> Model:
        """Return the model (without couplings) at coordinates u [parameter]."""
        return self.box.put(self.box.model, jnp.asarray(u, self.box.model.area.dtype))

    def evaluate(self, u: np.ndarray, rate: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Return scores [candidate], and differences from the recording (mV) as rows [candidate, row].

        `rate` (1/ms) couples the runs to the recording. A run that fails has a score of `WORST` and rows of NaN.
        """
        scores, _, rows = self._evaluated(u, rate)
        return np.where(np.isfinite(scores), scores, WORST), rows

    def agrees(self, u: np.ndarray) -> np.ndarray:
        """Return which candidates [candidate] have residuals that are smooth from there to zero."""
        return self._evaluated(u, 0.0)[1]

    def _evaluated(self, u: np.ndarray, rate: float) -> tuple[np.ndarray, ...]:
        found = []
        for part in _parts(np.asarray(u), self.lanes):
            self.runs += len(part) * len(self.objective)
            voltages = self._timed("runs", self._run, *self._filled(part, rate, self.lanes))
            assessed = self._timed("scores", self._assess, voltages)
            found.append([np.asarray(x)[: len(part)] for x in assessed])
        return tuple(np.concatenate(x) for x in zip(*found, strict=True))

    def voltages(self, u: np.ndarray) -> np.ndarray:
        """Return the free runs [candidate, sweep, place, sample] mV of some candidates."""
        found = []
        for part in _parts(np.asarray(u), self.lanes):
            self.runs += len(part) * len(self.objective)
            found.append(
                np.asarray(self._timed("runs", self._run, *self._filled(part, 0.0, self.lanes)))[: len(part)]
            )
        return np.concatenate(found)

    def jacobian(self, u: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
        """Return rows [candidate, row] as `evaluate` does, and their Jacobian [candidate, row, parameter]."""
        return self._linear("rows", self._binning, u, rate)

    def local(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the weighted residuals [candidate, residual] of all terms in free runs, and their Jacobian."""
        return self._linear("residuals", self._weighing, u, 0.0)

    def _linear(self, name: str, function: Any, u: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
        """Return a function of the voltages and its Jacobian; both kinds share the runs and their tangents."""
        found = []
        for part in _parts(np.asarray(u), self.columns):
            self.runs += len(part) * len(self.objective) * (1 + len(self.box))
            filled = self._filled(part, rate, self.columns)
            voltages, tangents = self._timed("tangents", self._tangents, *filled)
            linear = self._timed(name, function, voltages, tangents)
            found.append([np.asarray(x)[: len(part)] for x in linear])
        rows, jacobian = (np.concatenate(x) for x in zip(*found, strict=True))
        return rows, jacobian

    def _timed(self, name: str, function: Any, *args: Any) -> Any:
        """Call a compiled function; the first call of each counts as compiling."""
        if name in self._known:
            return function(*args)
        begin = time.perf_counter()
        found = jax.block_until_ready(function(*args))
        self.compiling += time.perf_counter() - begin
        self._known.add(name)
        return found

    def _filled(self, u: np.ndarray, rate: float, lanes: int) -> tuple[Array, Array]:
        dtype = self._coupled.area.dtype
        full = np.concatenate([u, np.broadcast_to(u[:1], (lanes - len(u), u.shape[1]))])
        return jnp.asarray(full, dtype), jnp.full(lanes, rate, dtype)

    def _traces(self, u: Array, rate: Array) -> Array:
        return self.objective.run(self.box.put(self._coupled, u), rate)

    def _rows(self, v: Array) -> Array:
        given = jnp.asarray(self.objective.voltages, v.dtype)
        off = jnp.where(self.objective.recorded, v - given, 0.0)
        return jax.vmap(jax.vmap(self._binned))(off).ravel()

    def _binned(self, x: Array) -> Array:
        size = int(self._which[-1]) + 1
        total = jax.ops.segment_sum(x, self._which, size, indices_are_sorted=True)
        return total / np.bincount(self._which, minlength=size).astype(x.dtype)

    def _residuals(self, v: Array) -> Array:
        return jnp.concatenate([r.ravel() for r in self.objective.weighted(v)])

    def _with_tangents(self, u: Array, rate: Array) -> tuple[Array, Array]:
        """Return the voltages, and their derivatives [parameter, …]; forward mode."""

        def push(direction: Array) -> tuple[Array, Array]:
            return jax.jvp(lambda u: self._traces(u, rate), (u,), (direction,))

        voltages, tangents = jax.vmap(push)(jnp.eye(u.shape[0], dtype=u.dtype))
        return voltages[0], tangents


def _pushed(function: Any, voltages: Array, tangents: Array) -> tuple[Array, Array]:
    """Return a vector function of voltages, and its derivatives [row, parameter] along the tangents [parameter, …]."""
    value, push = jax.linearize(function, voltages)
    return value, jax.vmap(push, out_axes=-1)(tangents)


def _parts(u: np.ndarray, size: int) -> list[np.ndarray]:
    return [u[k : k + size] for k in range(0, len(u), size)]
