"""NEURON as an engine: forward, one cell at a time, by `backward_euler` (exact rates) or `.../tables`."""

import time
from collections.abc import Callable

from wire import Server, Task, arguments

OPTIONS = arguments()
START = time.perf_counter()

import numpy as np  # noqa: E402
from neuron import h  # noqa: E402

IMPORT_S = time.perf_counter() - START


class Neuron:
    """Sections of one segment; fixed step."""

    def versions(self) -> dict[str, str]:
        return {"neuron": h.nrnversion(0)}

    def read(self, path: str) -> int:
        h.load_file("import3d.hoc")
        reader = h.Import3d_SWC_read()
        reader.input(path)
        h.Import3d_GUI(reader, 0).instantiate(None)
        sections = list(h.allsec())
        for sec in sections:
            sec.nseg = 1
            sec.insert("hh")
        n = len(sections)
        for sec in sections:
            h.delete_section(sec=sec)
        return n

    def build(self, task: Task) -> None:
        self.task = task
        self.sections = [h.Section(name=f"b{i}") for i in range(len(task.parent))]
        for sec, length, radius, parent in zip(
            self.sections, task.length, task.radius, task.parent, strict=True
        ):
            sec.L, sec.diam, sec.Ra, sec.cm, sec.nseg = length, 2 * radius, task.ra, task.cm, 1
            sec.insert("hh")
            if parent >= 0:
                sec.connect(self.sections[parent](1.0), 0)
        self.clamp = h.IClamp(self.sections[0](0.5))
        self.clamp.delay, self.clamp.dur = task.delay, task.steps * task.dt
        self.v = h.Vector().record(self.sections[0](0.5)._ref_v)
        self.context = h.ParallelContext()
        self.context.set_maxstep(10)

    def program(self, what: str, batch: int, method: str) -> Callable[[], np.ndarray]:
        if what != "forward" or batch != 1:
            raise ValueError("NEURON runs forward, one cell at a time")

        def run() -> np.ndarray:
            h.usetable_hh = int(method.endswith("/tables"))
            h.celsius, h.secondorder, h.dt = 6.3, 0, self.task.dt
            self.clamp.amp = float(self.task.amps(1)[0])
            h.finitialize(self.task.v0)
            self.context.psolve(self.task.steps * self.task.dt)
            return np.array(self.v)[None]

        return run


if __name__ == "__main__":
    Server(Neuron(), IMPORT_S).serve()
