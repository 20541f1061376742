"""Free runs of many candidates under many protocols, through one compiled program."""

from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from ...base.types import Array, Float
from ...inputs.clamps import Current
from ...simulate import simulate
from ..box import Box
from ..objective import Objective


@final
class Protocols:
    """Runs a model at coordinates u [candidate, parameter] under currents i [protocol, sample] (nA) from voltages v0.

    Every pair of a candidate and a protocol is a lane of one program, `lanes` at a time; runs begin and step as those
    of the `objective` do. Currents shorter than `samples` are filled up with their last value.
    """

    def __init__(self, box: Box, objective: Objective, samples: int, lanes: int) -> None:
        self.box, self.objective, self.samples, self.lanes = box, objective, samples, lanes
        self._initial = [path for path in box.model.params if path.rpartition(".")[2] == "v0"]
        self._run = jax.jit(jax.vmap(self._one))

    def __call__(
        self, u: np.ndarray, i: np.ndarray, v0: np.ndarray
    ) -> Float[np.ndarray, "candidate protocol sample"]:
        """Return voltages (mV) for v0 [protocol] (mV); not finite from where a run fails."""
        u, i = np.atleast_2d(u), np.atleast_2d(i)
        full = np.concatenate([i, np.repeat(i[:, -1:], self.samples - i.shape[1], 1)], 1)
        pairs = [(m, k) for m in range(len(u)) for k in range(len(full))]
        found = []
        for start in range(0, len(pairs), self.lanes):
            part = pairs[start : start + self.lanes]
            m, k = np.transpose([*part, *[part[-1]] * (self.lanes - len(part))])
            dtype = self.box.model.area.dtype
            v = self._run(*(jnp.asarray(x, dtype) for x in (u[m], full[k], v0[k])))
            found.append(np.asarray(v)[: len(part)])
        return np.concatenate(found).reshape(len(u), len(full), self.samples)[..., : i.shape[1]]

    def _one(self, u: Array, i: Array, v0: Array) -> Float[Array, " sample"]:
        objective, model = self.objective, self.box.put(self.box.model, u)
        begin = {path: jnp.broadcast_to(v0, jnp.shape(model.params[path])) for path in self._initial}
        place, dt = objective.places[0], objective.dt
        record: dict[str, Any] = {"v": place}
        t1 = (self.samples - 1) * dt
        sol = simulate(
            model.replace(begin), t1, dt, [Current(place, i, dt)], record, objective.method, throw=False
        )
        return sol["v"].reshape(self.samples)
