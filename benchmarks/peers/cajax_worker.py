"""Cajax as an engine: methods `backward_euler` and `staggered`, amplitudes batched by `jax.vmap`.

"/xla" behind a method lets JAX run the loop instead of a compiled program.
"""

import time
from collections.abc import Callable

from wire import TARGETS, Model, Run, Server, arguments

arguments()
START = time.perf_counter()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

JAX_S = time.perf_counter() - START

import cajax as cx  # noqa: E402
from cajax.mech import HH, Graded  # noqa: E402
from cajax.solve import native  # noqa: E402
from cajax.train import split_mean  # noqa: E402

IMPORT_S = time.perf_counter() - START

import floor  # noqa: E402
import jax_programs  # noqa: E402

FREE = ("gna", "gk", "gl")
METHODS = {"backward_euler": cx.BackwardEuler(), "staggered": cx.Staggered()}


def chain(model: Model) -> cx.Morphology:
    """Return the cylinders as branches of two points, all along one axis: only their lengths matter."""
    start, end = np.zeros(len(model.parent)), np.zeros(len(model.parent))
    for i, parent in enumerate(model.parent):
        start[i] = end[parent] if parent >= 0 else 0.0
        end[i] = start[i] + model.length[i]
    points = np.zeros((len(start), 2, 3))
    points[:, 0, 0], points[:, 1, 0] = start, end
    return cx.Morphology(
        xyz=points.reshape(-1, 3),
        radius=np.repeat(np.array(model.radius), 2),
        offsets=2 * np.arange(len(start) + 1),
        parent=np.array(model.parent),
        attach=np.ones(len(start)),
        tags=("soma", *["basal"] * (len(start) - 1)),
    )


class Cajax:
    """One cell, or a network of copies of it."""

    times = None

    def __init__(self) -> None:
        self.floors, self.hertz = floor.Floors(), 0.0

    def floor_s(self) -> float | None:
        """Return the seconds that the program built last takes at least; None of what is not compiled."""
        if not self.floors.cycles:
            return None
        self.hertz = self.hertz or floor.clock()
        return self.floors.cycles / self.hertz

    def versions(self) -> dict[str, str]:
        kernels = "" if native.available() else " without its native library"
        return {"cajax": cx.__version__ + kernels, "jax": jax.__version__}

    def build(self, model: Model) -> int:
        morph = cx.read_morphology(model.swc) if model.swc else chain(model)
        cell = cx.Cell(morph, cm=model.cm, ra=model.ra, v0=model.v0).paint("all", hh=HH())
        self.root, prefix = cx.at(0, 0.5), "all.hh."
        self.weights: list[str] = []
        recipe = cell
        if model.cells > 1:
            recipe, prefix = self.network(model, cell), "cells.all.hh."
            self.weights = [f"cells->cells.g{k}.weight" for k in range(TARGETS)] if model.synapses else []
        self.model, self.spec = recipe.discretize(cx.PerBranch(model.ncv)), model
        self.free = [prefix + name for name in FREE]
        for path in self.free:
            self.model = self.model.widened(path, "cv")
        return int(self.model.area.size)

    def network(self, model: Model, cell: cx.Cell) -> cx.Network:
        net = cx.Network().add("cells", cell, model.cells)
        for group in range(TARGETS if model.synapses else 0):
            pairs, branch, weight = model.edges(group)
            place, weights = cx.at(branch, 0.5), cx.each("edge", weight)
            net = net.connect(
                "cells", "cells", Graded(), rule=cx.edges(pairs), at=place, weight=weights, name=f"g{group}"
            )
        return net

    def program(self, run: Run) -> Callable[[], np.ndarray]:
        self.floors.begin()
        model, spec = self.model, self.spec
        place = ("cells", self.root) if spec.cells > 1 else self.root
        params: dict[str, jax.Array] = {p: model.params[p] for p in (*self.free[: run.free], *self.weights)}
        if not run.free:
            params = {"factor": jnp.ones(())}

        def one(params: dict[str, jax.Array], amp: jax.Array) -> jax.Array:
            changed = params if run.free else {self.free[0]: params["factor"] * model.params[self.free[0]]}
            clamp = cx.IClamp(place, delay=run.delay, dur=run.ms, amp=amp)
            return cx.simulate(
                model.replace(changed),
                run.ms,
                run.dt,
                inputs=[clamp],
                record={"v": place},
                method=METHODS[run.method.split("/")[0]],
                backend=run.method.split("/")[1] if "/" in run.method else "auto",
            )["v"]

        def named(grads: dict[str, jax.Array]) -> dict[str, jax.Array]:
            # Control volumes of a network are interleaved, in an order of our own: compare their sums.
            sums = self.free if spec.cells > 1 else []
            return {path: grads[path].sum() if path in sums else grads[path] for path in params}

        amps = run.amps(spec.cells)
        return jax_programs.program(jax_programs.batched(one, run), params, amps, run, named, split_mean)


if __name__ == "__main__":
    Server(Cajax(), import_s=IMPORT_S, jax_import_s=JAX_S).serve()
