"""Cajax as an engine: methods `backward_euler` and `staggered`, amplitudes batched by `jax.vmap`."""

import time
from collections.abc import Callable
from functools import partial

from wire import Server, Task, arguments

OPTIONS = arguments()
START = time.perf_counter()

import jax  # noqa: E402

jax.config.update("jax_enable_x64", OPTIONS.dtype == "float64")

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

import cajax as cx  # noqa: E402
from cajax.mech import HH  # noqa: E402

IMPORT_S = time.perf_counter() - START
CONDUCTANCES = ("all.hh.gna", "all.hh.gk", "all.hh.gl")
METHODS = {"backward_euler": cx.BackwardEuler(), "staggered": cx.Staggered()}


def chain(task: Task) -> cx.Morphology:
    """Return the cylinders as branches of two points, all along one axis: only their lengths matter."""
    start, end = np.zeros(len(task.parent)), np.zeros(len(task.parent))
    for i, parent in enumerate(task.parent):
        start[i] = end[parent] if parent >= 0 else 0.0
        end[i] = start[i] + task.length[i]
    points = np.zeros((len(start), 2, 3))
    points[:, 0, 0], points[:, 1, 0] = start, end
    return cx.Morphology(
        xyz=points.reshape(-1, 3),
        radius=np.repeat(np.array(task.radius), 2),
        offsets=2 * np.arange(len(start) + 1),
        parent=np.array(task.parent),
        attach=np.ones(len(start)),
        tags=("soma", *["basal"] * (len(start) - 1)),
    )


class Cajax:
    """One cell of cylindrical branches, one control volume each."""

    def versions(self) -> dict[str, str]:
        return {"cajax": cx.__version__, "jax": jax.__version__}

    def read(self, path: str) -> int:
        cell = cx.Cell(cx.read_morphology(path)).paint("all", hh=HH())
        return len(cell.discretize(cx.PerBranch(1)).cvs.area)

    def build(self, task: Task) -> None:
        self.task = task
        cell = cx.Cell(chain(task), cm=task.cm, ra=task.ra, v0=task.v0).paint("all", hh=HH())
        self.model = cell.discretize(cx.PerBranch(1))
        for path in CONDUCTANCES:
            self.model = self.model.widened(path, "cv")
        self.params = {path: self.model.params[path] for path in CONDUCTANCES}

    def voltages(self, params: dict[str, jax.Array], amps: jax.Array, method: str) -> jax.Array:
        """Return the root's voltage [batch, time]."""
        task = self.task
        t1 = task.steps * task.dt
        model = self.model.replace(params)

        def one(amp: jax.Array) -> jax.Array:
            clamp = cx.IClamp(cx.at(0, 0.5), delay=task.delay, dur=t1, amp=amp)
            record = {"v": cx.at(0, 0.5)}
            run = cx.simulate(model, t1, task.dt, inputs=[clamp], record=record, method=METHODS[method])
            return run["v"]

        return one(amps[0])[None] if amps.shape[0] == 1 else jax.vmap(one)(amps)

    def program(self, what: str, batch: int, method: str) -> Callable[[], np.ndarray]:
        amps = jnp.asarray(self.task.amps(batch))
        voltages = partial(self.voltages, amps=amps, method=method)
        if what == "forward":
            forward = jax.jit(voltages)
            return lambda: np.asarray(forward(self.params))

        def loss(params: dict[str, jax.Array]) -> jax.Array:
            return jnp.mean((voltages(params) + 60.0) ** 2)

        gradient = jax.jit(jax.grad(loss))

        def run() -> np.ndarray:
            grads = gradient(self.params)
            return np.stack([np.asarray(grads[path]) for path in CONDUCTANCES])

        return run


if __name__ == "__main__":
    Server(Cajax(), IMPORT_S).serve()
