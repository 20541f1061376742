"""Makes `synapse_traces.npz`: the point processes of `synapses` in NEURON, at spikes on the grid, with two weights.

python tests/formats/mod/synapse_traces.py        (needs NEURON, with nrnivmodl in reach)
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
TIMES = (2.0, 4.0, 4.5, 11.0, 20.0)
PULSES = (3.0, 9.0, 14.0, 16.5, 30.0)
WEIGHTS = (0.005, 0.02)
POINTERS = {"ygap": "vgap", "yrel": "pre"}


def run() -> dict[str, np.ndarray]:
    from neuron import h

    def soma(g: float):
        section = h.Section()
        section.L = section.diam = 20.0
        section.cm, section.nseg = 1.0, 1
        section.insert("pas")
        section(0.5).pas.g, section(0.5).pas.e = g, -70.0
        return section

    found: dict[str, np.ndarray] = {}
    for name in sorted(p.stem for p in (HERE / "synapses").glob("*.mod")):
        for weight in WEIGHTS:
            post, pre = soma(1e-4), soma(1e-3)
            process, kept = getattr(h, name)(post(0.5)), []
            if name == "ywatch":
                h.cai0_ca_ion = post(0.5).cai = 2e-3
            for t in PULSES:
                clamp = h.IClamp(pre(0.5))
                clamp.delay, clamp.dur, clamp.amp = t - 1.0, 1.0, 2.0
                kept.append(clamp)
            connection = None
            if name in POINTERS:
                h.setpointer(pre(0.5)._ref_v, POINTERS[name], process)
            else:
                connection = h.NetCon(None, process)
                connection.delay, connection.weight[0] = 1.0, weight
            v = h.Vector().record(post(0.5)._ref_v)
            h.celsius, h.dt = 22.0, 0.025
            h.finitialize(-70.0)
            for t in TIMES if connection is not None else ():
                connection.event(t + 1.0)
            for _ in range(2000):
                h.fadvance()
            found[f"{name}|{weight:g}"] = np.array(v)[::10]
            del process, connection, post, pre
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for path in (HERE / "synapses").glob("*.mod"):
            shutil.copy(path, folder)
        env = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        subprocess.run(["nrnivmodl"], cwd=folder, check=True, env=env, stdout=subprocess.DEVNULL)
        os.chdir(folder)
        np.savez_compressed(HERE / "synapse_traces.npz", **run())  # pyright: ignore[reportArgumentType]


if __name__ == "__main__":
    main()
