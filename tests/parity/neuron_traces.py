"""Make the NEURON reference traces in `traces/`; run by hand with an interpreter that has `neuron` 9.0.2.

    python tests/parity/neuron_traces.py [name ...]

Fixed step: backward Euler (`secondorder = 0`), dt 0.025 ms, every `IClamp` read at the middle of the step.
Rates of `hh` are exact (`usetable_hh = 0`). Each file holds the recorded voltages, the geometry as points (so
that other simulators build the same tree), area and centre of every segment, and what was run (`meta`, JSON).
Where `meta` has `spikes`, these are the upward crossings of 0 mV at the first site, found with CVODE at an
absolute tolerance of 1e-9.
"""

import json
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from neuron import h

HERE = Path(__file__).resolve().parent
CA1 = HERE.parents[1] / ".." / "shared" / "data" / "morphologies" / "ca1" / "morph_ca1_n120.swc"
DT = 0.025
V_INIT = -65.0


@dataclass(frozen=True)
class Branch:
    """An unbranched section: points (x, y, z, diameter) in µm, and where its start is connected."""

    points: tuple[tuple[float, float, float, float], ...]
    parent: int = -1
    attach: float = 1.0
    tag: str = "soma"


@dataclass(frozen=True)
class Case:
    """One simulation. `clamp` is (branch, x, delay ms, duration ms, nA); `sites` are (branch, x)."""

    name: str
    branches: tuple[Branch, ...]  # empty: the CA1 file
    nseg: int
    clamp: tuple[int, float, float, float, float]
    sites: tuple[tuple[int, float], ...] = ()
    stop: float = 20.0
    mechanism: str = "hh"
    celsius: float = 6.3
    ra: float = 100.0
    cm: float = 1.0
    apical: dict[str, float] = field(default_factory=dict)  # other values on the branches tagged "apical"
    reference: float = 0.0  # ms of CVODE run for the spike times; 0: none


CABLE = (Branch(((0.0, 0.0, 0.0, 2.0), (1000.0, 0.0, 0.0, 2.0))),)

# Connections at an end, at the start, at the middle of the soma and inside a dendrite; all radii differ.
TREE = (
    Branch(((0, 0, 0, 16), (9, 2, 0, 20), (20, 0, 0, 12))),
    Branch(((20, 0, 0, 4), (70, 30, 5, 3.5), (110, 35, 0, 3)), 0, 1.0, "apical"),
    Branch(((110, 35, 0, 2), (150, 80, 10, 1.5), (170, 85, 10, 1.5)), 1, 1.0, "apical"),
    Branch(((110, 35, 0, 1.2), (190, 0, -10, 1), (260, -20, -10, 0.8)), 1, 1.0, "apical"),
    Branch(((0, 0, 0, 3), (-60, 40, 0, 2.5), (-110, 45, 20, 2)), 0, 0.0, "basal"),
    Branch(((-110, 45, 20, 1.5), (-150, 90, 20, 1)), 4, 1.0, "basal"),
    Branch(((-110, 45, 20, 1), (-190, 20, 30, 1), (-240, 0, 30, 0.6)), 4, 1.0, "basal"),
    Branch(((10, 10, 0, 2), (15, 70, 20, 2), (5, 120, 25, 1)), 0, 0.5, "basal"),
    Branch(((53, 20, 3, 1.5), (60, -40, 0, 1), (90, -90, 0, 1)), 1, 0.3, "apical"),
)
TREE_SITES = ((0, 0.5), (2, 0.9), (3, 0.9), (6, 0.9), (7, 0.9), (8, 0.6))

UNEQUAL = (
    Branch(((0, 0, 0, 24), (24, 0, 0, 24))),
    Branch(
        ((24, 0, 0, 1), (44, 0, 0, 6), (60, 5, 0, 0.8), (95, 5, 0, 4), (99, 5, 0, 0.5), (160, 9, 3, 3)),
        parent=0,
        tag="apical",
    ),
)

TREE_CASE = Case("tree4", TREE, 4, (0, 0.5, 2.0, 20.0, 0.9), TREE_SITES, stop=25.0)
CABLE_CASE = Case(
    "cable", CABLE, 20, (0, 0.025, 2.0, 58.0, 0.8), ((0, 0.975), (0, 0.525), (0, 0.025)), reference=60.0
)
CASES = (
    CABLE_CASE,
    replace(CABLE_CASE, name="cable20C", celsius=20.0, reference=0.0),
    TREE_CASE,
    replace(TREE_CASE, name="tree1", nseg=1),
    replace(TREE_CASE, name="mixed", apical={"cm": 2.0, "Ra": 180.0}),
    replace(TREE_CASE, name="passive", mechanism="pas", clamp=(0, 0.5, 5.0, 20.0, 0.2), stop=40.0),
    Case("unequal", UNEQUAL, 4, (0, 0.5, 2.0, 20.0, 1.0), ((0, 0.125), (0, 0.875), (1, 0.125), (1, 0.875))),
    Case("n120x1", (), 1, (0, 0.5, 2.0, 98.0, 1.5), stop=25.0, reference=100.0),
    Case("n120x4", (), 4, (0, 0.5, 2.0, 98.0, 1.5), stop=25.0, reference=100.0),
)


def build(case: Case) -> list:
    """Return the sections of a case, in branch order, with geometry, mechanism and electrical constants."""
    if case.branches:
        sections = [h.Section(name=f"b{i}") for i in range(len(case.branches))]
        for sec, branch in zip(sections, case.branches, strict=True):
            for point in branch.points:
                h.pt3dadd(*point, sec=sec)
            if branch.parent >= 0:
                sec.connect(sections[branch.parent](branch.attach), 0)
        tags = [b.tag for b in case.branches]
    else:
        h.load_file("import3d.hoc")
        reader = h.Import3d_SWC_read()
        reader.input(str(CA1.resolve()))
        h.Import3d_GUI(reader, 0).instantiate(None)
        sections = list(h.allsec())
        tags = ["apical" if sec.name().startswith("apic") else "" for sec in sections]
    for sec, tag in zip(sections, tags, strict=True):
        sec.nseg, sec.cm, sec.Ra = case.nseg, case.cm, case.ra
        sec.insert(case.mechanism)
        if case.mechanism == "pas":
            sec.g_pas, sec.e_pas = 1e-4, V_INIT
        if tag == "apical":
            for name, value in case.apical.items():
                setattr(sec, name, value)
    return sections


def centre(sec, x: float) -> np.ndarray:
    """Return the point of a section at relative path length x, in µm."""
    n = sec.n3d()
    points = np.array([[sec.x3d(i), sec.y3d(i), sec.z3d(i)] for i in range(n)])
    arc = np.array([sec.arc3d(i) for i in range(n)])
    return np.array([np.interp(x * arc[-1], arc, points[:, k]) for k in range(3)])


def far_sites(sections: list) -> tuple[tuple[int, float], ...]:
    """Return the soma, the farthest basal and apical tips, and an apical segment half as far as its tip."""
    h.distance(0, sections[0](0.5))
    table = [(h.distance(seg), i, seg.x, sec.name()) for i, sec in enumerate(sections) for seg in sec]
    basal = max(row for row in table if row[3].startswith("dend"))
    apical = [row for row in table if row[3].startswith("apic")]
    tip = max(apical)
    half = min(apical, key=lambda row: abs(row[0] - tip[0] / 2))
    return ((0, 0.5), *((row[1], row[2]) for row in (basal, tip, half)))


def crossings(t: np.ndarray, v: np.ndarray) -> list[float]:
    """Return the times of upward crossings of 0 mV, by inverse cubic interpolation through four samples."""
    times = []
    for i in np.flatnonzero((v[:-1] < 0) & (v[1:] >= 0)):
        tt, vv = t[i - 1 : i + 3], v[i - 1 : i + 3]
        weights = [np.prod([-vv[m] / (vv[k] - vv[m]) for m in range(4) if m != k]) for k in range(4)]
        times.append(float(tt @ np.array(weights)))
    return times


def reference_spikes(case: Case, seg) -> list[float]:
    """Return the spike times at one segment by CVODE at atol 1e-9, where its own steps are some µs long."""
    t, v = h.Vector().record(h._ref_t), h.Vector().record(seg._ref_v)
    solver = h.CVode()
    solver.active(1)
    solver.atol(1e-9)
    h.finitialize(V_INIT)
    solver.solve(case.reference)
    solver.active(0)
    tt, vv = np.array(t), np.array(v)
    keep = np.append(np.diff(tt) > 0, True)  # a discontinuity is recorded twice
    return crossings(tt[keep], vv[keep])


def run(case: Case) -> dict[str, np.ndarray]:
    """Run a case and return the content of its file."""
    sections = build(case)
    sites = case.sites or far_sites(sections)
    h.usetable_hh, h.celsius, h.secondorder, h.dt = 0, case.celsius, 0, DT
    branch, x, delay, duration, amp = case.clamp
    clamp = h.IClamp(sections[branch](x))
    clamp.delay, clamp.dur, clamp.amp = delay, duration, amp
    probes = [h.Vector().record(sections[b](xx)._ref_v) for b, xx in sites]
    h.finitialize(V_INIT)
    steps = round(case.stop / DT)
    for _ in range(steps):
        h.fadvance()
    v = np.stack([np.array(p) for p in probes], axis=1)
    assert v.shape[0] == steps + 1, v.shape
    spikes = reference_spikes(case, sections[sites[0][0]](sites[0][1])) if case.reference else []
    meta = {
        **{k: v for k, v in asdict(case).items() if k not in ("branches", "clamp", "sites", "reference")},
        **dict(zip(("branch", "x", "delay", "dur", "amp"), case.clamp, strict=True)),
        "dt": DT,
        "v_init": V_INIT,
        "morphology": "" if case.branches else CA1.name,
        "neuron": h.nrnversion(0),
        "site_names": [f"{sections[b].name()}({xx:g})" for b, xx in sites],
        "reference_stop": case.reference,
        "spikes": spikes,
    }
    segments = [(i, seg.x, seg.area(), *centre(sec, seg.x)) for i, sec in enumerate(sections) for seg in sec]
    table = np.array(segments)
    content = {
        "meta": np.array(json.dumps(meta)),
        "v": v.astype(np.float32),  # rounds by less than 4e-6 mV
        "site_branch": np.array([b for b, _ in sites], np.int32),
        "site_x": np.array([xx for _, xx in sites]),
        # A site is where its segment is, not where it was asked for.
        "site_xyz": np.array(
            [centre(sections[b], (int(xx * case.nseg) + 0.5) / case.nseg) for b, xx in sites]
        ),
        "segment_branch": table[:, 0].astype(np.int32),
        "segment_x": table[:, 1],
        "segment_area": table[:, 2],
        "segment_xyz": table[:, 3:].astype(np.float32),
    }
    return content | (explicit(case.branches) if case.branches else {})


def explicit(branches: tuple[Branch, ...]) -> dict[str, np.ndarray]:
    """Return a geometry as arrays: points of branch b are `offsets[b]:offsets[b + 1]`."""
    points = np.array([p for b in branches for p in b.points], dtype=float)
    return {
        "xyz": points[:, :3],
        "radius": points[:, 3] / 2,
        "offsets": np.cumsum([0, *(len(b.points) for b in branches)]).astype(np.int32),
        "parent": np.array([b.parent for b in branches], np.int32),
        "attach": np.array([b.attach for b in branches], dtype=float),
        "tags": np.array([b.tag for b in branches]),
    }


def main() -> None:
    """Write the files of the named cases (all when none is named) and print what each holds."""
    for case in CASES:
        if sys.argv[1:] and case.name not in sys.argv[1:]:
            continue
        content = run(case)
        path = HERE / "traces" / f"{case.name}.npz"
        np.savez_compressed(path, **content)
        meta, v = json.loads(str(content["meta"])), content["v"]
        peaks = " ".join(f"{p:.1f}" for p in v.max(0))
        print(f"{case.name:10s} {v.shape} peaks {peaks}  {path.stat().st_size // 1000} kB  {meta['neuron']}")
        print(f"{'':10s} sites {meta['site_names']} area {content['segment_area'].sum():.3f}")
        if meta["spikes"]:
            print(f"{'':10s} CVODE spikes {meta['spikes']}")
        for sec in list(h.allsec()):
            h.delete_section(sec=sec)


if __name__ == "__main__":
    main()
