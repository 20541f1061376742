"""Models built in NEURON, taken over, and run on both sides: `python live_models.py CASE [FOLDER]`, one to a process.

FOLDER holds compiled mechanisms. Prints the comparison as JSON: differences of voltages (mV) and of spikes (steps).
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np

import cajax as cx

jax.config.update("jax_enable_x64", True)

DT = 0.025
KEEP = []
"""What NEURON forgets where Python does."""


def section(h, name, length, diam, nseg, inserted, **own):
    sec = h.Section(name=name, **own)
    sec.L, sec.diam, sec.nseg, sec.Ra = length, diam, nseg, 120.0
    for mechanism in inserted:
        sec.insert(mechanism)
    return sec


def keep(h, kind, seg, **values):
    point = getattr(h, kind)(seg)
    for name, x in values.items():
        setattr(point, name, x)
    KEEP.append(point)
    return point


def link(h, source, point, weight, delay, threshold=-20.0, sec=None):
    con = h.NetCon(source, point, sec=sec) if sec is not None else h.NetCon(source, point)
    con.weight[0], con.delay, con.threshold = weight, delay, threshold
    KEEP.append(con)
    return con


def five(h):
    """Five sections with four mechanisms and a pool, two NetCons: one from a NetStim, one from the axon."""
    soma = section(h, "soma", 20.0, 20.0, 1, ["pas", "lvna", "lvkv"])
    dend = [section(h, f"dend[{k}]", 150.0, 2.0, 5, ["pas", "lvca", "lvpool", "lvkca"]) for k in range(3)]
    axon = section(h, "axon", 100.0, 1.0, 3, ["pas", "lvna", "lvkv"])
    for k, d in enumerate(dend):
        d.connect((soma(0.0), dend[0](1.0), dend[0](0.5))[k])
        for seg in d:
            seg.lvca.gbar = 2e-4 * (1.0 + seg.x + k)
            seg.pas.e, seg.diam = -68.0, 2.0 - seg.x
        d.cm = 1.5
    axon.connect(soma(1.0))
    axon(0.5).lvna.shift = 2.0
    for sec in (soma, axon):
        for seg in sec:
            seg.lvna.gbar, seg.lvkv.gbar = 0.3, 0.05
    h.q10_lvna, h.usetable_lvkv, h.celsius, h.v_init = 3.0, 0, 30.0, -68.0
    stim = h.NetStim()
    stim.start, stim.interval, stim.number = 3.0, 12.0, 3
    KEEP.append(stim)
    link(h, stim, keep(h, "ExpSyn", dend[1](0.7), tau=3.0), 0.02, 1.0)
    link(h, axon(0.9)._ref_v, keep(h, "lvnmda", dend[2](0.3), mg=0.5), 0.004, 0.5, sec=axon)
    keep(h, "IClamp", soma(0.5), delay=20.0, dur=15.0, amp=1.2)
    KEEP.extend([soma, *dend, axon])
    return 60.0, {"soma": soma(0.5), "twig": dend[2](0.9), "axon": axon(0.9)}


def shared(h):
    """Several synapses on one segment, several NetCons to one; clamps; a section joined by its end 1."""
    soma = section(h, "soma", 25.0, 20.0, 1, ["pas", "hh"])
    dend = section(h, "dend", 300.0, 2.0, 7, ["pas"])
    dend.connect(soma(0.0), 1)
    for k, seg in enumerate(dend):
        seg.pas.g = 5e-5 * (1 + k)
    h.usetable_hh, h.v_init = 0, -66.0
    first, second = (
        keep(h, "Exp2Syn", dend(0.2), tau1=0.4, tau2=5.0),
        keep(h, "Exp2Syn", dend(0.2), tau2=9.0, e=-75.0),
    )
    for k, (start, weight) in enumerate(((2.0, 0.006), (2.0, 0.003), (6.0, 0.008))):
        stim = h.NetStim()
        stim.start, stim.interval, stim.number = start, 7.0, 5 - k
        KEEP.append(stim)
        link(h, stim, first, weight, 1.0 + k)
        link(h, stim, second, 0.5 * weight, 2.0)
    keep(h, "AlphaSynapse", dend(0.9), onset=15.0, tau=1.5, gmax=0.02, e=0.0)
    keep(h, "SEClamp", dend(0.5), rs=30.0, dur1=10.0, amp1=-66.0, dur2=5.0, amp2=-30.0, dur3=3.0, amp3=-70.0)
    keep(h, "IClamp", soma(0.5), delay=30.0, dur=5.0, amp=1.0)
    keep(h, "IClamp", soma(0.5), delay=32.0, dur=5.0, amp=0.5)
    KEEP.extend([soma, dend])
    return 50.0, {"soma": soma(0.5), "tip": dend(0.05)}


class Ball:
    """A cell of the ring, as in NEURON's tutorial: its points lie elsewhere than those of the others."""

    def __init__(self, h, number):
        self.soma = section(h, "soma", 12.6, 12.6, 1, ["hh", "pas"], cell=self)
        self.dend = section(h, "dend", 200.0, 1.0, 5, ["pas"], cell=self)
        self.dend.connect(self.soma(1.0))
        for seg in self.dend:
            seg.pas.e = -65.0 - 0.1 * number
        self.synapse = keep(h, "ExpSyn", self.dend(0.5), tau=2.0)
        for sec in (self.soma, self.dend):
            angle, length, diam = 0.6 * number, sec.L, sec.diam
            for x in (0.0, 0.5 * length, length):
                sec.pt3dadd(x * np.cos(angle) + 50.0 * number, x * np.sin(angle), 0.0, diam)


def ring(h):
    """Ten cells in a ring, started by a NetStim and an IClamp."""
    h.usetable_hh, h.celsius = 0, 6.3
    cells = [Ball(h, k) for k in range(10)]
    for k, cell in enumerate(cells):
        link(h, cell.soma(0.5)._ref_v, cells[(k + 1) % 10].synapse, 0.02, 2.0 + 0.1 * (k % 3), 0.0, cell.soma)
    stim = h.NetStim()
    stim.start, stim.number = 5.0, 1
    link(h, stim, cells[0].synapse, 0.04, 1.0)
    keep(h, "IClamp", cells[5].soma(0.5), delay=10.0, dur=1.0, amp=0.8)
    KEEP.extend([stim, *cells])
    return 100.0, {f"cell {k}": cell.soma(0.5) for k, cell in enumerate(cells)}


def coupled(h):
    """Three cells with gap junctions by pointer, and half of one."""
    somas = [section(h, f"soma[{k}]", 20.0, 20.0, 1, ["pas", "hh"]) for k in range(3)]
    h.usetable_hh = 0
    for own, other, r in ((0, 1, 500.0), (1, 0, 500.0), (1, 2, 500.0), (2, 1, 500.0), (0, 2, 900.0)):
        half = keep(h, "lvgap", somas[own](0.5), r=r)
        h.setpointer(somas[other](0.5)._ref_v, "vgap", half)
    keep(h, "IClamp", somas[0](0.5), delay=2.0, dur=10.0, amp=0.5)
    KEEP.extend(somas)
    return 30.0, {f"soma {k}": s(0.5) for k, s in enumerate(somas)}


def hay(h):
    """A cell with the channels of Hay et al. (2011) as the bmtk wheel has them, on the morphology argv[3]."""
    importer = h.Import3d_Neurolucida3() if sys.argv[3].endswith(".asc") else h.Import3d_SWC_read()
    importer.quiet = 1
    importer.input(sys.argv[3])
    h.Import3d_GUI(importer, 0).instantiate(None)
    everywhere = {"pas": {"g": 3e-5, "e": -80.0}, "Ih": {"gbar": 1e-4}}
    soma = {
        "NaTs": {"gbar": 1.5}, "Kv3_1": {"gbar": 0.4}, "K_P": {"gbar": 2e-3}, "K_T": {"gbar": 0.05},
        "Nap": {"gbar": 1e-3}, "SK": {"gbar": 0.02}, "Ca_HVA": {"gbar": 5e-4}, "Ca_LVA": {"gbar": 3e-3},
        "CaDynamics": {"decay": 300.0},
    }  # fmt: skip
    dendrite = {"NaTs": {"gbar": 0.01}, "Im": {"gbar": 1e-4}, "Ca_HVA": {"gbar": 5e-5}, "Ca_LVA": {"gbar": 1e-4},
                "CaDynamics": {"decay": 120.0}, "SK": {"gbar": 1e-3}}  # fmt: skip
    h.celsius, h.v_init = 34.0, -80.0
    root = next(iter(h.allsec()))
    h.distance(0, root(0.5))
    for sec in h.allsec():
        name = sec.name()
        sec.Ra, sec.cm, sec.nseg = 100.0, 1.0 if "soma" in name else 2.0, 1 + 2 * int(sec.L / 60.0)
        inserted = {**everywhere, **(soma if "soma" in name else dendrite if "apic" in name else {})}
        for mechanism in inserted:
            sec.insert(mechanism)
        if "soma" in name or "apic" in name:
            sec.ek, sec.ena = -85.0, 50.0
        for seg in sec:
            for mechanism, values in inserted.items():
                for parameter, x in values.items():
                    setattr(getattr(seg, mechanism), parameter, x)
            seg.Ih.gbar = 1e-4 * (1.0 + 0.002 * h.distance(seg))
    keep(h, "IClamp", root(0.5), delay=10.0, dur=80.0, amp=1.5)
    far = max(h.allsec(), key=lambda s: h.distance(s(0.5)))
    return 100.0, {"soma": root(0.5), "far": far(0.5)}


def hoc(h, path, until=None):
    """Load a file of the demonstrations: what it builds, without its windows."""
    text = path.read_text().split(until)[0] if until else path.read_text()
    with tempfile.NamedTemporaryFile("w", suffix=".hoc") as file:
        file.write("\n".join(x for x in text.splitlines() if not x.startswith("help")) + "\n")
        file.flush()
        h.xopen(file.name)


def demo(h, name):
    """NEURON's own demonstrations."""
    import neuron

    folder = Path(next(Path(neuron.__path__[0]).glob("**/demo/demo.hoc"))).parent
    h.load_file("stdrun.hoc")
    if name == "hh":
        h("create soma\naccess soma\nL = diam = 18.8\nRa = 123\ninsert hh")
        h.usetable_hh = 0
        keep(h, "IClamp", h.soma(0.5), delay=0.5, dur=0.5, amp=0.5)
        return 20.0, {"soma": h.soma(0.5)}
    if name == "stylized":
        hoc(h, folder / "dend3" / "dend3.nrn")
        hoc(h, folder / "dend3" / "syn3.hoc", "proc syn3menu")
    elif name == "pyramid":
        hoc(h, folder / "pyramid.nrn")
        hoc(h, folder / "reconst.hoc")
    elif name == "release":
        h.nrn_load_dll(str(next((folder / "release").glob("*/libnrnmech.so"))))
        hoc(h, folder / "release.hoc", "proc releasemenubody")
    h.usetable_hh = 0
    root = next(iter(h.allsec()))
    if name == "pyramid":
        keep(h, "IClamp", root(0.5), delay=1.0, dur=20.0, amp=1.0)
    return 20.0, {str(sec): sec(0.5) for sec in list(h.allsec())[:5]}


def styles(h):
    """Ions that stand still, follow Nernst, or begin at global values; a file that includes another."""
    soma = section(h, "soma", 20.0, 20.0, 1, ["pas", "hh"])
    dend = section(h, "dend", 200.0, 2.0, 3, ["pas", "lvca", "lvkca"])
    tip = section(h, "tip", 100.0, 1.0, 2, ["pas", "lvca", "lvpool", "lvkca"])
    dend.connect(soma(1.0))
    tip.connect(dend(1.0))
    h.ion_style("k_ion", 1, 2, 1, 0, 0, sec=soma)
    h.ion_style("ca_ion", 1, 1, 0, 0, 0, sec=dend)
    soma.ki, soma.ko = 50.0, 3.0
    for k, seg in enumerate(dend):
        seg.cai, seg.eca, seg.ek = 3e-4 * (1 + k), 110.0 + k, -80.0
        seg.lvca.gbar = 5e-4
    tip.ek = -85.0
    h.cai0_ca_ion, h.cao0_ca_ion = 2e-4, 1.5
    h.usetable_hh, h.celsius, h.v_init = 0, 18.0, -66.0
    keep(h, "IClamp", soma(0.5), delay=5.0, dur=20.0, amp=0.5)
    KEEP.extend([soma, dend, tip])
    return 40.0, {"soma": soma(0.5), "dend": dend(0.9), "tip": tip(0.9)}


def processes(h):
    """Point processes of other kinds in three equal cells: waves, a graded synapse by pointer, one that saturates."""
    cells = []
    for k in range(3):
        soma = section(h, f"soma[{k}]", 20.0, 20.0, 1, ["pas", "hh"])
        dend = section(h, f"dend[{k}]", 150.0, 2.0, 3, ["pas"])
        dend.connect(soma(1.0))
        cells.append((soma, dend))
    h.usetable_hh = 0
    for k in (0, 1):
        keep(h, "lvwave", cells[k][1](0.8), amp=0.3, freq=60.0 + 40.0 * k)
    keep(h, "lvwave", cells[2][0](0.5), amp=0.1)
    keep(h, "lvwave", cells[2][0](0.5), amp=-0.05, freq=30.0)
    follower = keep(h, "lvgraded", cells[2][1](0.5), gmax=0.01, e=-75.0)
    h.setpointer(cells[0][0](0.5)._ref_v, "vpre", follower)
    stim = h.NetStim()
    stim.start, stim.interval, stim.number = 4.0, 6.0, 5
    KEEP.append(stim)
    link(h, stim, keep(h, "lvsat", cells[1][1](0.2), tau=3.0), 0.02, 1.0)
    KEEP.extend(sec for cell in cells for sec in cell)
    return 40.0, {f"cell {k}": dend(0.5) for k, (_, dend) in enumerate(cells)}


CASES = {f.__name__: f for f in (five, shared, ring, coupled, styles, processes, hay)}


def compared(h, t1, probes):
    """Run both and return how far they are apart."""
    h.dt, h.secondorder = DT, 0
    times = [(time.perf_counter(), time.process_time())]
    for _ in range(2):
        found = cx.from_neuron()
        times.append((time.perf_counter(), time.process_time()))
    took, again = np.diff(times, axis=0).tolist()
    traces = {k: h.Vector().record(seg._ref_v) for k, seg in probes.items()}
    steps = round(t1 / DT)
    h.finitialize(h.v_init)
    for _ in range(steps):
        h.fadvance()
    record = {k: found.at(seg) for k, seg in probes.items()}
    options = {"dt": found.dt, "inputs": found.inputs, "method": cx.BackwardEuler(), "record": record}
    solution = cx.simulate(found.model, t1=t1, **options)
    plan = cx.plan(found.model, t1=t1, **options)
    far, spikes, rows = {}, [], []
    for name, seg in probes.items():
        ours, theirs = np.asarray(solution[name], float), np.array(traces[name])
        ours = ours if ours.ndim == 1 else ours[:, found.number(seg)]
        far[name] = float(np.abs(ours - theirs).max())
        here, there = (np.flatnonzero((v[1:] > -20.0) & (v[:-1] <= -20.0)) for v in (ours, theirs))
        spikes.append(int(np.abs(here - there).max(initial=0)) if len(here) == len(there) else -1)
        rows.append([len(there), float(np.ptp(theirs))])
    report = found.report
    return {
        "took": took, "again": again, "difference": max(far.values()), "spikes": max(spikes, key=abs), "rows": rows,
        "far": far,
        "recipe": repr(found.recipe), "executor": plan.executor, "segments": found.model.structure.size,
        "exact": report.exact, "approximated": report.approximated, "refused": report.refused, "unseen": report.unseen,
    }  # fmt: skip


def main():
    from neuron import h

    h.load_file("stdrun.hoc")
    h.load_file("import3d.hoc")
    case = sys.argv[1]
    if len(sys.argv) > 2 and sys.argv[2] != "-":
        h.nrn_load_dll(str(next(Path(sys.argv[2]).glob("*/libnrnmech.*"))))
    t1, probes = demo(h, case[5:]) if case.startswith("demo_") else CASES[case](h)
    print(json.dumps(compared(h, t1, probes)))


if __name__ == "__main__":
    main()
