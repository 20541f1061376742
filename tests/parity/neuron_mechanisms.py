"""Make the NEURON reference traces of ions, schemes, synapses and networks in `traces/mech_*.npz`; run by hand.

    python tests/parity/neuron_mechanisms.py [case ...]

Needs an interpreter that has `neuron` 9.0.2 and a C++ compiler: the mechanisms in `mod/` are compiled in a temporary
folder. Fixed step (`secondorder = 0`), dt 0.025 ms; events lie on the grid of time steps. Every file holds the
recordings (float32, every step), spike times where there are any, and what was run (`meta`, JSON). The morphology is
always that of `cajax.ball_and_stick`: a soma as long as it is thick, and one dendrite on its far end.

Where calcium diffuses along the cell, soma and dendrite are equally thick: at a change of diameter NEURON takes the
mean of both cross-sections over the distance of the centres, Cajax the two resistances in series.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from neuron import h

HERE = Path(__file__).resolve().parent
DT = 0.025
V_INIT = -65.0
Content = tuple[dict[str, Any], dict[str, Any]]  # meta, what is recorded


def compile_mods(folder: str) -> None:
    """Compile `mod/*.mod` in `folder` and load them."""
    for mod in (HERE / "mod").glob("*.mod"):
        shutil.copy(mod, folder)
    tool = Path(sys.executable).with_name("nrnivmodl")
    subprocess.run([str(tool), "."], cwd=folder, check=True, capture_output=True)
    (library,) = Path(folder).glob("*/libnrnmech.so")
    h.nrn_load_dll(str(library))


def ball_and_stick(soma: float = 10.0, length: float = 200.0, radius: float = 1.0, nseg: int = 5) -> list:
    """Return the two sections, with `hh` in both."""
    sections = [h.Section(name="soma"), h.Section(name="dend")]
    for sec, x, long, r in zip(sections, (-soma, soma), (2 * soma, length), (soma, radius), strict=True):
        h.pt3dadd(x, 0, 0, 2 * r, sec=sec)
        h.pt3dadd(x + long, 0, 0, 2 * r, sec=sec)
        sec.nseg, sec.cm, sec.Ra = nseg, 1.0, 100.0
        sec.insert("hh")
    sections[1].connect(sections[0](1.0), 0)
    return sections


def insert(sections: list, name: str, **values: float) -> None:
    """Insert a mechanism and set its parameters."""
    for sec in sections:
        sec.insert(name)
        for key, x in values.items():
            setattr(sec, f"{key}_{name}", x)


def clamp(seg: Any, delay: float, dur: float, amp: float) -> Any:
    """Inject a current step."""
    found = h.IClamp(seg)
    found.delay, found.dur, found.amp = delay, dur, amp
    return found


def stimulate(target: Any, times: list[float], weight: float, delay: float) -> list:
    """Send an event at each of `times` through a connection with `delay`."""
    kept = []
    for t in times:
        source = h.NetStim()
        source.number, source.start, source.noise = 1, t, 0
        connection = h.NetCon(source, target)
        connection.weight[0], connection.delay = weight, delay
        kept += [source, connection]
    return kept


def calcium(pool: str, values: dict[str, float], ghk: bool = False, ci: float = 1e-4) -> Content:
    """A spiking cell with calcium influx, a pool and a calcium-activated potassium current."""
    sections = ball_and_stick()
    insert(sections, pool, ci=ci, **values)
    source = {"p": 1e-4} if ghk else {"g": 1e-3}
    insert(sections, "cax_ghk" if ghk else "cax_ca", **source)
    insert(sections, "cax_sk", g=2e-3)
    h.cai0_ca_ion, h.cao0_ca_ion, h.celsius = ci, 2.0, 12.0
    soma, dend = sections
    for sec in sections:
        sec.cai, sec.cao = ci, 2.0
    step = (5.0, 60.0, 0.6)
    kept = [*sections, clamp(soma(0.5), *step)]
    meta = {
        "celsius": 12.0,
        "clamp": step,
        "stop": 80.0,
        "pool": {"ci": ci, **values},
        "source": source,
        "sk": 2e-3,
    }
    probes = {"v": soma(0.5)._ref_v, "v_dend": dend(0.5)._ref_v, "cai": soma(0.5)._ref_cai}
    return meta, {
        "keep": kept,
        "record": probes | {"cai_dend": dend(0.5)._ref_cai, "eca": soma(0.5)._ref_eca},
    }


def spreading(pool: str, values: dict[str, float], ci: float) -> Content:
    """Calcium enters at the soma alone and diffuses into the dendrite, which is as thick."""
    shape = {"soma": 0.5, "length": 10.0, "radius": 0.5}
    sections = ball_and_stick(**shape, nseg=5)
    insert(sections, pool, ci=ci, **values)
    insert(sections[:1], "cax_ca", g=1e-3)
    h.cai0_ca_ion, h.cao0_ca_ion, h.celsius = ci, 2.0, 12.0
    soma, dend = sections
    step = (5.0, 40.0, 0.006)
    meta = {"celsius": 12.0, "clamp": step, "stop": 60.0, "pool": {"ci": ci, **values}, "shape": shape}
    sites = {"cai": soma(0.5), "cai_near": dend(0.1), "cai_far": dend(0.5)}
    probes = {"v": soma(0.5)._ref_v} | {k: seg._ref_cai for k, seg in sites.items()}
    if pool == "cax_shells":
        probes |= {"core": soma(0.5).cax_shells._ref_ca[3], "core_near": dend(0.1).cax_shells._ref_ca[3]}
        probes |= {"buffer": soma(0.5).cax_shells._ref_buf[0]}
    return meta, {"keep": [*sections, clamp(soma(0.5), *step)], "record": probes}


def markov() -> Content:
    """Spikes by a sodium channel of 13 states with the potassium and leak currents of the squid axon."""
    sections = ball_and_stick()
    h.celsius = 22.0
    insert(sections, "cax_rb", g=0.3)
    for sec in sections:
        sec.gnabar_hh = 0.0
    soma, dend = sections
    step = (5.0, 40.0, 0.8)
    meta = {"celsius": 22.0, "clamp": step, "stop": 50.0, "g": 0.3}
    states = {name: getattr(soma(0.5).cax_rb, f"_ref_{name}") for name in ("O", "B", "I6", "C1")}
    return meta, {
        "keep": [*sections, clamp(soma(0.5), *step)],
        "record": {"v": soma(0.5)._ref_v, "v_dend": dend(0.5)._ref_v} | states,
    }


TRAIN = [5.0, 12.5, 15.0, 20.0, 40.0]


def synapse(name: str, weight: float, **values: float) -> Content:
    """A synapse in the middle of the dendrite, driven by a train of events."""
    sections = ball_and_stick()
    h.celsius = 6.3
    soma, dend = sections
    point = getattr(h, name)(dend(0.5))
    for key, x in values.items():
        setattr(point, key, x)
    delay = 1.5
    meta = {"celsius": 6.3, "stop": 70.0, "times": TRAIN, "delay": delay, "weight": weight, "synapse": values}
    kept = [*sections, point, *stimulate(point, TRAIN, weight, delay)]
    return meta, {
        "keep": kept,
        "record": {"v": soma(0.5)._ref_v, "v_dend": dend(0.5)._ref_v, "i": point._ref_i},
    }


def gap() -> Content:
    """Two cells joined in the middle of their dendrites by a gap junction; a current into one of them.

    A `LinearMechanism` makes the junction part of the cable equation: both voltages are the new ones. (A point process
    with a pointer to the other voltage would take that one from the step before.)
    """
    cells = [ball_and_stick(), ball_and_stick()]
    h.celsius, g = 6.3, 2e-3
    seg = [cell[1](0.5) for cell in cells]
    step = (5.0, 30.0, 0.3)
    c, conductance, y, b = h.Matrix(2, 2), h.Matrix(2, 2), h.Vector(2), h.Vector(2)
    # The rows are those of the cable equation, whose currents are densities (mA/cm²): nA over the area in 1e-2 µm².
    for i in range(2):
        scale = 100.0 / seg[i].area()
        conductance.setval(i, i, g * scale)
        conductance.setval(i, 1 - i, -g * scale)
    where, places = h.Vector([0.5, 0.5]), h.SectionList()
    for cell in cells:
        places.append(sec=cell[1])
    junction = h.LinearMechanism(c, conductance, y, b, places, where)
    kept = [cells, clamp(cells[0][0](0.5), *step), c, conductance, y, b, where, places, junction]
    meta = {"celsius": 6.3, "clamp": step, "stop": 60.0, "g": g}
    probes = {f"v{i}": cells[i][0](0.5)._ref_v for i in range(2)}
    return meta, {"keep": kept, "record": probes | {f"v{i}_dend": seg[i]._ref_v for i in range(2)}}


def ring(n: int = 50) -> Content:
    """A ring of cells: a spike of one reaches the next after the delay; the first is started by an event."""
    cells = [ball_and_stick(length=100.0, nseg=1) for _ in range(n)]
    h.celsius, weight, delay, threshold = 6.3, 0.03, 5.0, 0.0
    synapses, kept = [], [sec for cell in cells for sec in cell]
    for cell in cells:
        point = h.ExpSyn(cell[1](0.5))
        point.tau, point.e = 2.0, 0.0
        synapses.append(point)
    times, ids = h.Vector(), h.Vector()
    for i, cell in enumerate(cells):
        link = h.NetCon(cell[0](0.5)._ref_v, synapses[(i + 1) % n], sec=cell[0])
        link.threshold, link.delay, link.weight[0] = threshold, delay, weight
        link.record(times, ids, i)
        kept.append(link)
    kept += [*synapses, *stimulate(synapses[0], [1.0], weight, delay)]
    meta = {
        "celsius": 6.3,
        "stop": 330.0,
        "cells": n,
        "weight": weight,
        "delay": delay,
        "threshold": threshold,
    }
    record = {"v": cells[1][0](0.5)._ref_v}
    return meta, {"keep": kept, "record": record, "spikes": (times, ids), "every": 4}


CASES: dict[str, Callable[[], Content]] = {
    "pool": lambda: calcium("cax_pool", {"gamma": 0.05, "depth": 0.1, "tau": 20.0}),
    "pump": lambda: calcium("cax_pump", {"vmax": 2e-3, "km": 1e-3, "depth": 1.0}),
    "ghk": lambda: calcium("cax_pool", {"gamma": 0.05, "depth": 0.1, "tau": 20.0}, ghk=True),
    "shells": lambda: spreading(
        "cax_shells", {"d": 0.6, "total": 0.01, "kf": 100.0, "kb": 0.1, "vmax": 2e-3, "km": 1e-3}, 5e-5
    ),
    "diffuse": lambda: spreading("cax_diffuse", {"d": 0.6, "tau": 50.0}, 1e-4),
    "markov": markov,
    "expsyn": lambda: synapse("ExpSyn", 2e-3, tau=2.0, e=0.0),
    "exp2syn": lambda: synapse("Exp2Syn", 4e-3, tau1=0.5, tau2=5.0, e=-20.0),
    "nmda": lambda: synapse("cax_nmda", 4e-3, rise=2.0, decay=40.0, e=0.0, mg=1.0),
    "depress": lambda: synapse("cax_stp", 4e-3, tau=2.0, e=0.0, U=0.5, tau_rec=100.0, tau_fac=0.0),
    "facilitate": lambda: synapse("cax_stp", 8e-3, tau=2.0, e=0.0, U=0.1, tau_rec=30.0, tau_fac=100.0),
    "gap": gap,
    "ring": ring,
}


def converged(spikes: tuple[Any, Any], stop: float) -> np.ndarray:
    """Return the spike times by CVODE at atol 1e-7, where a crossing is found between steps."""
    solver = h.CVode()
    solver.active(1)
    solver.atol(1e-7)
    solver.condition_order(2)
    h.finitialize(V_INIT)
    solver.solve(stop)
    solver.active(0)
    return np.array(spikes[0])


def run(meta: dict[str, Any], setup: dict[str, Any]) -> dict[str, np.ndarray]:
    """Run a case that is set up and return the content of its file."""
    h.usetable_hh, h.secondorder, h.dt = 0, 0, DT
    every = setup.get("every", 1)
    probes = {name: h.Vector().record(ref) for name, ref in setup["record"].items()}
    h.finitialize(V_INIT)
    steps = round(meta["stop"] / DT)
    for _ in range(steps):
        h.fadvance()
    meta = {**meta, "dt": DT, "v_init": V_INIT, "every": every, "neuron": h.nrnversion(0)}
    found = {name: np.array(x)[::every].astype(np.float32) for name, x in probes.items()}
    assert all(x.shape == (steps // every + 1,) for x in found.values())
    if "spikes" in setup:
        times, ids = (np.array(x) for x in setup["spikes"])
        found |= {"spike_times": times, "spike_cells": ids.astype(np.int32)}
        found["converged_times"] = converged(setup["spikes"], meta["stop"])
    return {"meta": np.array(json.dumps(meta)), **found}


def main() -> None:
    """Write the files of the named cases (all when none is named) and print what each holds."""
    with tempfile.TemporaryDirectory() as folder:
        compile_mods(folder)
        for name in sys.argv[1:] or CASES:
            meta, setup = CASES[name]()
            content = run(meta, setup)
            path = HERE / "traces" / f"mech_{name}.npz"
            np.savez_compressed(path, **content)
            print(f"{name:13s} {path.stat().st_size / 1000:5.1f} kB", end="  ")
            numbers = {k: x for k, x in content.items() if x.dtype == np.float32}
            print(" ".join(f"{k} {x.min():.4g}..{x.max():.4g}" for k, x in numbers.items()))
            if "spike_times" in content:
                print(
                    f"{'':13s} {len(content['spike_times'])} spikes, last {content['spike_times'][-1]:.3f} ms"
                )
            del setup, numbers
            for sec in list(h.allsec()):
                h.delete_section(sec=sec)


if __name__ == "__main__":
    main()
