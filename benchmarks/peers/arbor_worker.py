"""Arbor as an engine, forward only: its one method (fixed step, first order), one thread per core.

A batch is that many cells in one recipe. Every control volume is a segment of its own, so that the tree is cut
exactly as by the other engines.
"""

import time
from collections.abc import Callable
from itertools import pairwise

from wire import Model, Run, Server, arguments

OPTIONS = arguments()
START = time.perf_counter()

import arbor as A  # noqa: E402
import numpy as np  # noqa: E402
from arbor import units as U  # noqa: E402

IMPORT_S = time.perf_counter() - START


def segments(model: Model) -> A.segment_tree:
    """Return the cylinders, laid along one axis, each cut into `ncv` segments."""
    tree, ends, last = A.segment_tree(), [], []
    for length, radius, parent in zip(model.length, model.radius, model.parent, strict=True):
        start, at = (ends[parent], last[parent]) if parent >= 0 else (0.0, A.mnpos)
        xs = np.linspace(start, start + length, model.ncv + 1)
        for a, b in pairwise(xs):
            at = tree.append(at, A.mpoint(a, 0, 0, radius), A.mpoint(b, 0, 0, radius), tag=1)
        ends.append(start + length)
        last.append(at)
    return tree


class Cells(A.recipe):
    """Cells that differ in their clamp only."""

    def __init__(self, model: Model, run: Run) -> None:
        A.recipe.__init__(self)
        self.model, self.run, self.amps = model, run, run.amps()
        self.shape = A.load_swc_neuron(model.swc).morphology if model.swc else segments(model)
        # Without a file the middle of the root is the middle of one of its segments.
        self.site = "(location 0 0.5)" if model.swc else f"(on-components 0.5 (segment {model.center}))"
        self.properties = A.neuron_cable_properties()
        self.properties.catalogue = A.default_catalogue()

    def num_cells(self) -> int:
        return len(self.amps)

    def cell_kind(self, gid: int) -> A.cell_kind:
        return A.cell_kind.cable

    def cell_description(self, gid: int) -> A.cable_cell:
        model, run = self.model, self.run
        decor = A.decor()
        decor.set_property(
            Vm=model.v0 * U.mV,
            cm=0.01 * model.cm * U.F / U.m2,
            rL=model.ra * U.Ohm * U.cm,
            tempK=279.45 * U.Kelvin,
        )
        decor.set_ion("na", rev_pot=50 * U.mV)
        decor.set_ion("k", rev_pot=-77 * U.mV)
        decor.paint("(all)", A.density("hh"))
        decor.place(self.site, A.i_clamp(run.delay * U.ms, run.ms * U.ms, float(self.amps[gid]) * U.nA))
        policy = A.cv_policy_fixed_per_branch(model.ncv) if model.swc else A.cv_policy_every_segment()
        return A.cable_cell(self.shape, decor, A.label_dict(), policy)

    def probes(self, gid: int) -> list:
        return [A.cable_probe_membrane_voltage(self.site, "v")]

    def global_properties(self, kind: A.cell_kind) -> A.cable_global_properties:
        return self.properties


class Arbor:
    """Copies of one cell that do not know one another."""

    times: np.ndarray | None = None

    def versions(self) -> dict[str, str]:
        return {"arbor": f"{A.__version__} ({A.config()['arch']})"}

    def build(self, model: Model) -> int:
        if model.cells > 1:
            raise ValueError("Arbor has no graded synapses; networks are left out")
        self.model = model
        data = A.cv_data(Cells(model, Run()).cell_description(0))
        cables = (data.cables(i) for i in range(data.num_cv))
        return sum(any(c.dist > c.prox for c in cable) for cable in cables)  # forks are empty control volumes

    def program(self, run: Run) -> Callable[[], np.ndarray]:
        if run.what != "forward":
            raise ValueError("Arbor has no gradients")
        threads = len(OPTIONS.cores)
        simulation = A.simulation(Cells(self.model, run), A.context(threads=threads))
        grid = A.regular_schedule(run.dt * U.ms)
        handles = [simulation.sample((gid, "v"), grid) for gid in range(run.batch)]

        def once() -> np.ndarray:
            simulation.reset()
            simulation.run(run.ms * U.ms, run.dt * U.ms)
            traces = [simulation.samples(handle)[0][0] for handle in handles]
            self.times = traces[0][:, 0]
            return np.stack([trace[:, 1] for trace in traces])

        return once


if __name__ == "__main__":
    Server(Arbor(), import_s=IMPORT_S).serve()
