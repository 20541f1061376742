"""Make the NEURON reference traces in `layer5.npz`; run by hand, by an interpreter that has `neuron` 9.0.1 and numpy.

    python tests/fitting/recipes/neuron_layer5_traces.py FOLDER

FOLDER is where the mechanisms of `benchmarks/fitting/mod` are compiled. Backward Euler (`secondorder = 0`), dt 0.025
ms; coordinates are exact in the single precision in which NEURON keeps them. The file holds the voltage [case, sample]
of the soma, every eighth step, and what was run (`meta`, JSON).
"""

import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "benchmarks" / "fitting"))
from neuron_layer5 import Cell, Worker, load_mechanisms  # noqa: E402

EVERY = 8


def section(tag: str, points: list[list[float]], parent: int = 0, attach: float = 0.5, nseg: int = 1) -> dict:
    return {"tag": tag, "points": points, "parent": parent, "attach": attach, "nseg": nseg}


SECTIONS = [
    section("soma", [[0, 0, 0, 16], [16, 0, 0, 16]], -1),
    section("apical", [[8, 8, 0, 4], [8, 128, 0, 3], [40, 256, 0, 2]], nseg=3),
    section("apical", [[40, 256, 0, 1.5], [-24, 384, 0, 1]], 1, 1.0, nseg=2),
    section("basal", [[8, -8, 0, 2], [64, -128, 0, 1]]),
    section("axon", [[8, 0, 0, 1], [8, 0, 64, 1]], nseg=3),
]
CONSTANTS = {
    "all.leak.g": 3e-5, "all.leak.e": -75.0, "all.ra": 100.0, "all.cm": 1.0, "apical.cm": 2.0,
    "all.na.e": 50.0, "all.k.e": -85.0, "basal.ih.g": 8e-5,
}  # fmt: skip
FITTED = {
    "apical.nats2.g": 0.026, "apical.kv31.g": 0.0042, "apical.im.g": 1.4e-4,
    "soma.nats2.g": 0.98, "soma.kv31.g": 0.3, "soma.sk.g": 0.0084, "soma.ca.gamma": 6.1e-4, "soma.ca.tau": 210.0,
    "soma.hva.g": 9.9e-4, "soma.lva.g": 3.3e-4,
    "axon.nata.g": 3.1, "axon.kp.g": 0.97, "axon.kt.g": 0.089, "axon.sk.g": 0.0071, "axon.kv31.g": 1.02,
    "axon.hva.g": 9.9e-4, "axon.lva.g": 8.8e-3, "axon.ca.gamma": 2.9e-3, "axon.ca.tau": 287.0,
}  # fmt: skip
MOVED = {
    "soma.nats2.shift": -4.0, "apical.nats2.shift": -4.0, "apical.im.slow": 0.4, "all.na.e": 47.0, "all.k.e": -92.0,
    "soma.hva.slow": 3.0, "axon.hva.slow": 3.0, "soma.lva.slow": 0.3, "axon.lva.slow": 0.3,
}  # fmt: skip
"""What the problem of recorded cells varies beside densities and pools."""


def main() -> None:
    load_mechanisms(Path(sys.argv[1]))
    cell = Cell(SECTIONS, clamp=(10.0, 80.0, 0.6))
    traces, cases = [], {"densities": CONSTANTS | FITTED, "shift and times": CONSTANTS | FITTED | MOVED}
    for params in cases.values():
        worker = Worker(cell)
        worker.set(params)
        traces.append(worker.run()[::EVERY])
        del worker
    meta = {"sections": SECTIONS, "clamp": cell.clamp, "every": EVERY, "cases": cases}
    np.savez_compressed(HERE / "layer5.npz", v=np.array(traces), meta=json.dumps(meta))


if __name__ == "__main__":
    main()
