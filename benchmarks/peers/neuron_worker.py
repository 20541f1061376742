"""NEURON as an engine, forward only; a batch is that many cells in one model, on as many threads as cores.

Methods: `backward_euler` and `second_order` (`secondorder` 0 and 2), `variable` (CVODE, tolerance `atol`), all with
exact rates; with `/tables` its tables of rates.
"""

import time
from collections.abc import Callable

from wire import Model, Run, Server, arguments

OPTIONS = arguments()
START = time.perf_counter()

import numpy as np  # noqa: E402
from neuron import h  # noqa: E402

IMPORT_S = time.perf_counter() - START


class Neuron:
    """Copies of one cell that do not know one another."""

    times: np.ndarray | None = None

    def versions(self) -> dict[str, str]:
        return {"neuron": h.nrnversion(0)}

    def build(self, model: Model) -> int:
        if model.cells > 1:
            raise ValueError("NEURON needs a compiled mechanism for graded synapses; networks are left out")
        self.model, self.cells = model, []
        self.context, self.cvode, self.t = h.ParallelContext(), h.CVode(), h.Vector()
        self.context.set_maxstep(10)
        self.copies(1)
        return sum(sec.nseg for sec in h.allsec())

    def copies(self, count: int) -> None:
        """Have exactly `count` cells, each with a clamp and an electrode in the middle of its root."""
        if len(self.cells) == count:
            return
        for sections in self.cells:
            for sec in sections:
                h.delete_section(sec=sec)
        self.cells = [self.read() if self.model.swc else self.tree() for _ in range(count)]
        for sec in h.allsec():
            sec.Ra, sec.cm, sec.nseg = self.model.ra, self.model.cm, self.model.ncv
            sec.insert("hh")
        self.clamps = [h.IClamp(cell[0](0.5)) for cell in self.cells]
        self.v = [h.Vector().record(cell[0](0.5)._ref_v) for cell in self.cells]
        self.t.record(h._ref_t)
        if len(OPTIONS.cores) > 1:
            self.context.nthread(len(OPTIONS.cores))

    def read(self) -> list:
        h.load_file("import3d.hoc")
        reader = h.Import3d_SWC_read()
        reader.input(self.model.swc)
        h.Import3d_GUI(reader, 0).instantiate(None)
        return list(h.allsec())

    def tree(self) -> list:
        model = self.model
        sections = [h.Section(name=f"b{i}") for i in range(len(model.parent))]
        for sec, length, radius, parent in zip(
            sections, model.length, model.radius, model.parent, strict=True
        ):
            sec.L, sec.diam = length, 2 * radius
            if parent >= 0:
                sec.connect(sections[parent](1.0), 0)
        return sections

    def program(self, run: Run) -> Callable[[], np.ndarray]:
        if run.what != "forward":
            raise ValueError("NEURON has no gradients")
        amps, (method, _, tables) = run.amps(), run.method.partition("/")

        def once() -> np.ndarray:
            self.copies(run.batch)
            h.usetable_hh, h.celsius = int(bool(tables)), 6.3
            self.cvode.active(int(method == "variable"))
            if method == "variable":
                self.cvode.atol(run.atol)
            else:
                h.secondorder, h.dt = 2 * (method == "second_order"), run.dt
            for clamp, amp in zip(self.clamps, amps, strict=True):
                clamp.delay, clamp.dur, clamp.amp = run.delay, run.ms, float(amp)
            h.finitialize(self.model.v0)
            self.context.psolve(run.ms)
            self.times = np.array(self.t)
            return np.array(self.v)

        return once


if __name__ == "__main__":
    Server(Neuron(), import_s=IMPORT_S).serve()
