"""Cells with Hay channels in plain NEURON, as a worker that talks JSON: the other side of `layer5.py`.

    python neuron_layer5.py MECHANISMS

Run by an interpreter that has `neuron` 9.0.1 and `numpy`. MECHANISMS is a folder for the library compiled from
`mod/*.mod` (made if it is not there; needs a C++ compiler). Standard input takes one JSON object a line, and one comes
back for each:

    {"cell": {...}}                        build a cell (`Cell` says what is in it): {"segments": 1356}
    {"params": {...}, "trace": true}       set parameters and run: {"summary": [...], "seconds": 0.4, "v": [...]}

Parameters are named as in Cajax: region.mechanism.field, such as "apical.nats2.g" (S/cm2), "soma.ca.tau" (ms),
"all.k.e" (mV), "apical.cm" (uF/cm2). What is not named keeps its value of before.
"""

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from neuron import h

HERE = Path(__file__).resolve().parent
REGIONS = ("soma", "basal", "apical", "axon")

SUFFIX = {
    "nats2": "cajax_na", "nata": "cajax_na", "kv31": "cajax_kv31", "im": "cajax_im", "ih": "cajax_ih",
    "kt": "cajax_kt", "kp": "cajax_kp", "sk": "cajax_sk", "hva": "cajax_hva", "lva": "cajax_lva",
    "ca": "cajax_pool", "leak": "pas",
}  # fmt: skip
"""Mechanism in Cajax's paths → suffix in NEURON."""

FIELDS = {("ca", "tau"): "decay"}
"""Fields that NEURON calls otherwise."""

INSERTED = {
    "soma": ("leak", "nats2", "kv31", "sk", "hva", "lva", "ca"),
    "basal": ("leak", "ih"),
    "apical": ("leak", "nats2", "kv31", "im", "ih"),
    "axon": ("leak", "nata", "kp", "kt", "sk", "kv31", "hva", "lva", "ca"),
    "other": ("leak",),
}


@dataclass
class Cell:
    """What a worker is told of a cell and its experiment.

    `sections`: parents first, each {"points": [[x, y, z, diameter], ...], "parent": number or -1, "attach": 0 to 1,
    "tag": region, "nseg": segments}, in µm. A current step `clamp` (delay ms, duration ms, nA) at the middle of the
    first section, whose voltage is recorded for `stop` ms at every `dt`; with `atol` by CVODE of that tolerance.
    `windows` [samples] are those of the summary: means, then standard deviations, window by window.
    """

    sections: list[dict[str, Any]]
    clamp: tuple[float, float, float] = (10.0, 80.0, 3.0)
    stop: float = 100.0
    dt: float = 0.025
    v0: float = -65.0
    celsius: float = 34.0
    atol: float = 0.0
    windows: list[tuple[int, int]] = field(default_factory=lambda: [(200, 2200), (2200, 3800)])


class Worker:
    """One cell in this process's NEURON."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.sections = [h.Section(name=f"s{k}") for k in range(len(cell.sections))]
        self.regions: dict[str, list[Any]] = {"all": self.sections, **{name: [] for name in REGIONS}}
        for section, told in zip(self.sections, cell.sections, strict=True):
            for point in told["points"]:
                h.pt3dadd(*point, sec=section)
            if told["parent"] >= 0:
                section.connect(self.sections[told["parent"]](told["attach"]), 0)
            self.regions.setdefault(told["tag"], []).append(section)
        for section, told in zip(self.sections, cell.sections, strict=True):
            section.nseg = told["nseg"]
            for name in INSERTED.get(told["tag"], INSERTED["other"]):
                section.insert(SUFFIX[name])
        self.set({"axon.nata.mhalf": -38.0, "axon.nata.hhalf": -66.0})
        self.grade(8e-5)
        self.experiment()

    def set(self, params: dict[str, float]) -> None:
        """Set parameters by Cajax's paths."""
        for path, value in params.items():
            region, *rest = path.split(".")
            for section in self.regions[region]:
                if rest == ["cm"] or rest == ["ra"]:
                    setattr(section, "cm" if rest == ["cm"] else "Ra", value)
                elif rest in (["na", "e"], ["k", "e"]):
                    if h.ismembrane(f"{rest[0]}_ion", sec=section):
                        setattr(section, f"e{rest[0]}", value)
                else:
                    name = FIELDS.get((rest[0], rest[1]), rest[1])
                    setattr(section, f"{name}_{SUFFIX[rest[0]]}", value)

    def grade(self, g: float) -> None:
        """Grade the h current of the apical dendrite by the straight distance d (µm) from the middle of the soma."""
        origin = _middle(self.sections[0], 0.5)
        for section in self.regions["apical"]:
            for segment in section:
                d = np.linalg.norm(_middle(section, segment.x) - origin)
                segment.cajax_ih.g = g * (-0.8696 + 2.087 * np.exp(0.0031 * d))

    def experiment(self) -> None:
        """Place the electrode, and start calcium at rest everywhere."""
        h.celsius, h.steps_per_ms, h.dt, h.secondorder = (
            self.cell.celsius,
            1.0 / self.cell.dt,
            self.cell.dt,
            0,
        )
        for name, value in (("cai0_ca_ion", 1e-4), ("cao0_ca_ion", 2.0)):
            setattr(h, name, value)
        middle = self.sections[0](0.5)
        self.clamp = h.IClamp(middle)
        self.clamp.delay, self.clamp.dur, self.clamp.amp = self.cell.clamp
        self.v = h.Vector()
        self.solver = h.CVode()
        if self.cell.atol:
            self.solver.active(True)
            self.solver.atol(self.cell.atol)
            self.v.record(middle._ref_v, self.cell.dt)
        else:
            self.v.record(middle._ref_v)

    def run(self) -> np.ndarray:
        """Return the voltage of the first section's middle (mV) at every sample."""
        h.finitialize(self.cell.v0)
        h.continuerun(self.cell.stop)
        return np.array(self.v)[: round(self.cell.stop / self.cell.dt) + 1]

    def summary(self, v: np.ndarray) -> list[float]:
        """Return mean and standard deviation of the voltage in every window."""
        return [float(x) for a, b in self.cell.windows for x in (v[a:b].mean(), v[a:b].std())]


def _middle(section: Any, x: float) -> np.ndarray:
    """Return the point (µm) at relative position `x` of a section."""
    n = section.n3d()
    points = np.array([[section.x3d(k), section.y3d(k), section.z3d(k)] for k in range(n)])
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    return np.array([np.interp(x * arc[-1], arc, points[:, k]) for k in range(3)])


def load_mechanisms(folder: Path) -> None:
    """Load the mechanisms of `mod/` from a folder, into which they are compiled first if it has no library."""
    if not list(folder.glob("*/libnrnmech.*")):
        folder.mkdir(parents=True, exist_ok=True)
        for mod in (HERE / "mod").glob("*.mod"):
            shutil.copy(mod, folder)
        tool = Path(sys.executable).with_name("nrnivmodl")
        subprocess.run([str(tool), "."], cwd=folder, check=True, capture_output=True)
    h.load_file("stdrun.hoc")
    h.nrn_load_dll(str(next(iter(folder.glob("*/libnrnmech.*")))))


def answer(worker: Worker | None, request: dict[str, Any]) -> tuple[Worker | None, dict[str, Any]]:
    """Return the worker after a request, and what to reply."""
    if "cell" in request:
        worker = Worker(Cell(**request["cell"]))
        return worker, {"segments": sum(section.nseg for section in worker.sections)}
    if worker is None:
        return worker, {"error": "the first line must describe a cell"}
    worker.set(request.get("params", {}))
    start = time.perf_counter()
    v = worker.run()
    reply: dict[str, Any] = {"summary": worker.summary(v), "seconds": time.perf_counter() - start}
    if request.get("trace"):
        reply["v"] = v.tolist()
    return worker, reply


def main() -> None:
    load_mechanisms(Path(sys.argv[1]))
    worker: Worker | None = None
    for line in sys.stdin:
        worker, reply = answer(worker, json.loads(line))
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
