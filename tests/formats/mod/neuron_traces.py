"""NEURON's traces of the .mod files of this folder: `python neuron_traces.py`, with NEURON 9 and a C++ compiler.

One compartment of 20 µm with a leak, BackwardEuler (secondorder = 0), dt 0.025 ms, no tables; `neuron_traces.npz` keeps
every tenth voltage (mV) of 50 ms of each current step, and of a train of spikes for synapses.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
STEPS = (0.02, 0.2, -0.05)
TIMES = (2.0, 4.0, 4.5, 11.0, 20.0)
EVERY = 10
MECHANISMS = {
    "zkv_hand": ("zkv_hand",),
    "zna_trap": ("zna_trap",),
    "zca_local": ("zca_local",),
    "zkin": ("zkin",),
    "zbind": ("zbind",),
    "zeuler": ("zeuler",),
    "zpool": ("zca", "zpool"),
    "zpumped": ("zca", "zpumped"),
    "zaccum": ("zna_trap", "zkin", "zaccum"),
    "zsense": ("zca", "zpool", "zsense"),
    "zsolved": ("zsolved",),
    "zsolved table": ("zsolved",),
}
CLAMPS = ("zwave",)
GIVEN = ((-90.0, -60.0, -45.0, 0.0), (0.2, 0.9, 0.4, 0.6))
"""The x and y of zsolved's FUNCTION_TABLE."""
SYNAPSES = ("zdual",)


def section(h, mechanisms):
    s = h.Section(name="s")
    s.L = s.diam = 20.0
    s.cm = 1.0
    for name in ("pas", *mechanisms):
        s.insert(name)
    s(0.5).pas.g, s(0.5).pas.e = 1e-4, -70.0
    for ion, e in (("ena", 50.0), ("ek", -77.0), ("eca", 120.0)):
        if not {"zca", "zaccum"} & {*mechanisms} and h.ismembrane(f"{ion[1:]}_ion", sec=s):
            setattr(s, ion, e)
    return s


def run(h, s):
    v = h.Vector().record(s(0.5)._ref_v)
    h.finitialize(-70.0)
    return v


def traces(h):
    h.celsius, h.dt, h.secondorder = 22.0, 0.025, 0
    h.usetable_zkv_hand = 0
    x, y = h.Vector(GIVEN[0]), h.Vector(GIVEN[1])
    h.table_given_zsolved(y, x)
    found = {}
    for name, mechanisms in MECHANISMS.items():
        h.usetable_zsolved = float("table" in name)
        for amp in STEPS:
            s = section(h, mechanisms)
            clamp = h.IClamp(s(0.5))
            clamp.delay, clamp.dur, clamp.amp = 5.0, 40.0, amp
            v = run(h, s)
            for _ in range(2000):
                h.fadvance()
            found[f"{name}|{amp:g}"] = np.array(v)[::EVERY]
    for name in CLAMPS:
        s = section(h, ())
        v, _point = run(h, s), getattr(h, name)(s(0.5))  # NEURON drops a point process that nobody holds
        for _ in range(2000):
            h.fadvance()
        found[name] = np.array(v)[::EVERY]
        del point
    for name in SYNAPSES:
        s = section(h, ())
        synapse = getattr(h, name)(s(0.5))
        connection = h.NetCon(None, synapse)
        connection.weight[0] = 0.01
        v = run(h, s)
        for t in TIMES:
            connection.event(t + 1.0)
        for _ in range(2000):
            h.fadvance()
        found[name] = np.array(v)[::EVERY]
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        tool = Path(sys.executable).with_name("nrnivmodl")
        tool = str(tool) if tool.exists() else "nrnivmodl"
        subprocess.run([tool, str(HERE / "files")], cwd=folder, check=True, capture_output=True)
        os.chdir(folder)
        from neuron import h

        np.savez_compressed(HERE / "neuron_traces.npz", **traces(h))
