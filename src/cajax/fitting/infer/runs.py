"""Runs for inference: the protocols of an objective, from rest, for whatever voltages were recorded in them."""

from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from ...base.checks import number, of_kind
from ...base.types import Array, Float
from ...inputs.clamps import Current
from ...model.model import Model, require_model
from ...simulate import simulate
from ...train.free import Free
from ..box import Box
from ..objective import Objective

SETTLE = 50.0
"""Time (ms) that a run has, by default, to come to rest before a sweep begins."""

LANES = 64
"""Candidates that run at once."""


@final
class Runs:
    """The protocols of an objective run by a model, its free parameters at coordinates u [parameter] of their box.

    A run begins `settle` ms before the sweep, at the mean voltage recorded before the stimulus and under the mean
    current that flows there, so that the noise of single samples does not enter its start.
    """

    def __init__(self, objective: Objective, model: Model, free: Free, settle: float, caller: str) -> None:
        self.objective = of_kind(objective, Objective, f"{caller}: objective", "an Objective(sweeps)")
        require_model(model, caller)
        of_kind(free, Free, f"{caller}: free", "Free({'*.hh.gna': bounded(0.01, 0.5)})")
        self.model, self.free = model, free
        self.box = Box(model, free)
        self.dtype = self.box.model.area.dtype
        self.settle = number(settle, "ms", f"{caller}: settle", least=0.0)
        self.data = jnp.asarray(objective.voltages, self.dtype)
        """What was recorded (mV) [sweep, place, sample]."""
        self.mask = jnp.asarray(objective.recorded, self.dtype)
        before = _before(objective)
        self._before = jnp.asarray(before, self.dtype)
        rest = np.einsum("ks,kps->kp", before, objective.currents)[:, :, None]
        self._steps = round(self.settle / objective.dt)
        currents = np.concatenate([np.repeat(rest, self._steps, 2), objective.currents], 2)
        self._currents = jnp.asarray(currents, self.dtype)
        at = [path for path in self.box.model.params if path.rpartition(".")[2] == "v0"]
        self._lanes = jax.jit(jax.vmap(lambda u: self.voltages(u, self.data)))
        self._initial = {path: jnp.shape(self.box.model.params[path]) for path in at}

    def traces(
        self, u: Float[np.ndarray, "candidate parameter"]
    ) -> Float[np.ndarray, "candidate sweep place sample"]:
        """Return the voltages (mV) of many candidates, from where the objective's were recorded, `LANES` at once."""
        found = []
        for k in range(0, len(u), LANES):
            part = u[k : k + LANES]
            full = np.concatenate([part, np.broadcast_to(part[:1], (LANES - len(part), part.shape[1]))])
            found.append(np.asarray(self._lanes(jnp.asarray(full, self.dtype)), float)[: len(part)])
        return np.concatenate(found)

    def voltages(
        self, u: Float[Array, " parameter"], data: Float[Array, "sweep place sample"]
    ) -> Float[Array, "sweep place sample"]:
        """Return the voltages (mV) at coordinates u where `data` were recorded; not finite from where a run fails.

        Works under `jit`, `vmap`, `grad`, `jvp`.
        """
        model = self.box.put(self.box.model, u)
        first = jnp.einsum("ks,ks->k", self._before, data[:, 0])
        return jax.vmap(partial(self._one, model))(first, self._currents)

    def _one(self, model: Model, first: Array, i: Array) -> Float[Array, "place sample"]:
        objective = self.objective
        begin = {path: jnp.broadcast_to(first, shape) for path, shape in self._initial.items()}
        inputs = [Current(place, i[k], objective.dt) for k, place in enumerate(objective.places)]
        record: dict[str, Any] = {f"v{k}": place for k, place in enumerate(objective.places)}
        t1 = (objective.samples - 1 + self._steps) * objective.dt
        sol = simulate(model.replace(begin), t1, objective.dt, inputs, record, objective.method, throw=False)
        return jnp.stack([sol[name].reshape(-1)[self._steps :] for name in record])


def _before(objective: Objective) -> Float[np.ndarray, "sweep sample"]:
    """Return weights that take the mean over what was recorded before the stimulus, away from spikes."""
    weights = np.zeros((len(objective), objective.samples))
    for k, row in enumerate(weights):
        count = max(1, round(objective.trace(k).on / objective.dt))
        calm = objective.calm[k, 0] & (np.arange(objective.samples) < count)
        row[calm if calm.any() else slice(1)] = 1.0
        row /= row.sum()
    return weights
