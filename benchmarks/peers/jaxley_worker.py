"""Jaxley as an engine: public API, default solver (`bwd_euler`, `jaxley.dhs`), batched by `jax.vmap`.

Methods: `backward_euler`; for gradients also `backward_euler/checkpointed` (two `checkpoint_lengths`).
"""

import time
from collections.abc import Callable

from wire import Server, Task, arguments

OPTIONS = arguments()
START = time.perf_counter()

import jax  # noqa: E402

jax.config.update("jax_enable_x64", OPTIONS.dtype == "float64")

import jax.numpy as jnp  # noqa: E402
import jaxley as jx  # noqa: E402
import numpy as np  # noqa: E402
from jaxley.channels import HH  # noqa: E402

IMPORT_S = time.perf_counter() - START
CONDUCTANCES = ("HH_gNa", "HH_gK", "HH_gLeak")


class Jaxley:
    """One cell of cylindrical branches, one compartment each."""

    def versions(self) -> dict[str, str]:
        return {"jaxley": jx.__version__, "jax": jax.__version__}

    def read(self, path: str) -> int:
        return len(jx.read_swc(path, ncomp=1).nodes)

    def build(self, task: Task) -> None:
        self.task = task
        self.cell = jx.Cell(jx.Branch(jx.Compartment(), ncomp=1), parents=list(task.parent))
        self.cell.set("length", np.array(task.length))
        self.cell.set("radius", np.array(task.radius))
        self.cell.set("axial_resistivity", task.ra)
        self.cell.set("capacitance", task.cm)
        self.cell.set("v", task.v0)
        self.cell.insert(HH())
        self.cell.init_states(delta_t=task.dt)
        self.cell.branch(0).comp(0).record("v", verbose=False)
        for key in CONDUCTANCES:
            self.cell.branch("all").comp("all").make_trainable(key, verbose=False)
        self.params = self.cell.get_parameters()

    def voltages(self, params: list, amps: jax.Array, checkpoints: list[int] | None) -> jax.Array:
        """Return the root's voltage [batch, time]."""
        on, site = jnp.asarray(self.task.on()), self.cell.branch(0).comp(0)

        def one(amp: jax.Array) -> jax.Array:
            stimuli = site.data_stimulate(amp * on)
            dt = self.task.dt
            run = jx.integrate(
                self.cell, params, data_stimuli=stimuli, delta_t=dt, checkpoint_lengths=checkpoints
            )
            return run[0]

        return one(amps[0])[None] if amps.shape[0] == 1 else jax.vmap(one)(amps)

    def program(self, what: str, batch: int, method: str) -> Callable[[], np.ndarray]:
        checkpoints = None
        if method.endswith("/checkpointed"):
            outer = next(k for k in range(int(self.task.steps**0.5), 0, -1) if self.task.steps % k == 0)
            checkpoints = [outer, self.task.steps // outer]
        amps = jnp.asarray(self.task.amps(batch))

        def loss(params: list) -> jax.Array:
            return jnp.mean((self.voltages(params, amps, checkpoints) + 60.0) ** 2)

        if what == "forward":
            forward = jax.jit(lambda params: self.voltages(params, amps, checkpoints))
            return lambda: np.asarray(forward(self.params))
        gradient = jax.jit(jax.grad(loss))

        def run() -> np.ndarray:
            grads = {k: v for entry in gradient(self.params) for k, v in entry.items()}
            return np.stack([np.asarray(grads[key]).reshape(-1) for key in CONDUCTANCES])

        return run


if __name__ == "__main__":
    Server(Jaxley(), IMPORT_S).serve()
