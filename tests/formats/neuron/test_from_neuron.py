"""`from_neuron`: the cell that lives in NEURON, and the way there and back.

NEURON keeps one world per process, so every case runs in a process of its own.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cajax as cx

HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(importlib.util.find_spec("neuron") is None, reason="NEURON is not installed")

BUILT = """
import json, sys
import jax
jax.config.update("jax_enable_x64", True)
import numpy as np
import cajax as cx
from neuron import h
h.load_file("stdrun.hoc")
"""
CELL = (
    BUILT
    + """
soma, dend, apic, twig = (h.Section(name=x) for x in ("soma", "dend[0]", "apic[3]", "apic[4]"))
soma.L = soma.diam = 20.0
for x, d in ((0.0, 3.0), (40.0, 2.0), (40.0, 1.5), (130.0, 1.0)):
    dend.pt3dadd(x, 0.0, 0.0, d)
apic.L, apic.diam, twig.L, twig.diam = 200.0, 2.0, 50.0, 0.8
dend.connect(soma(0.0)), apic.connect(soma(1.0)), twig.connect(apic(0.4))
for sec, n in ((soma, 1), (dend, 5), (apic, 4), (twig, 1)):
    sec.nseg, sec.Ra, sec.cm = n, 120.0, 1.0
    sec.insert("pas")
    for seg in sec:
        seg.pas.g, seg.pas.e = 1e-4 * (1.0 + seg.x), -70.0
apic.cm = 1.5
for sec in (soma, apic):
    sec.insert("hh")
for seg in apic:
    seg.hh.gnabar = 0.05 * seg.x
h.usetable_hh, h.celsius, h.v_init = 0, 9.0, -68.0
clamp = h.IClamp(apic(0.6))
clamp.delay, clamp.dur, clamp.amp = 2.0, 10.0, 1.0
"""
)
COMPARED = """
trace = h.Vector().record(soma(0.5)._ref_v)
found = cx.from_neuron()
h.dt, h.secondorder = 0.025, 0
h.finitialize(h.v_init)
for _ in range(800):
    h.fadvance()
run = {"t1": 20.0, "dt": 0.025, "inputs": found.inputs, "method": cx.BackwardEuler()}
v = np.asarray(cx.simulate(found.model, record={"v": "soma"}, **run)["v"])
print(json.dumps({"difference": float(np.abs(v - np.array(trace)).max()), "range": float(np.ptp(v)),
                  "tags": list(found.cell.morph.tags), "exact": found.report.exact,
                  "approximated": found.report.approximated}))
"""
ROUND = (
    """
import os, subprocess
sys.path[:0] = [FOLDER, HERE]
import test_to_neuron as cases
from cajax.engine.physics import bind
model, inputs, t1 = getattr(cases, CASE)()
folder = FOLDER + "/export"
cx.to_neuron(model, folder, inputs, t1=t1, proof=False, pointers=True)
tool = os.path.join(os.path.dirname(sys.executable), "nrnivmodl")
subprocess.run([tool if os.path.exists(tool) else "nrnivmodl", "mod"], cwd=folder, capture_output=True, check=True)
sys.path.insert(0, folder)
import run
built = run.Built(run.load())
built.start()
found = cx.from_neuron()
"""
    """
def tables(model):
    physics, s = bind(model), model.structure
    at = {name: np.asarray(getattr(physics, name)) for name in ("capacitance", "axial", "v0")}
    for m in physics.membranes.channels:
        name = type(m.channel).__name__
        at |= {f"{name}.{k}": np.broadcast_to(x, m.scale.shape) for k, x in m.channel.params().items()}
    for m in physics.ions.ions:
        at |= {f"{m.species}.{k}": np.broadcast_to(x, m.radius.shape) for k, x in m.ion.params().items()}
    for p in s.projections:
        kind = type(getattr(p, "template", None)).__name__ + f" {len(p.wires.pre)}"
        edges = len(p.wires.edges) if p.wires.edges is not None else len(p.wires.pre) * len(p.wires.post)
        paths = {**dict(getattr(p, "fields", {})), "weight": p.wires.weight, "delay": getattr(p, "delay", None)}
        for k, path in paths.items():
            if path is not None:
                rows = np.broadcast_to(np.asarray(model.params[path], float).ravel(), (edges,))
                at[f"{kind}.{k}"] = np.concatenate([at.get(f"{kind}.{k}", np.zeros(0)), rows])
    return at

ours, theirs = tables(model), tables(found.model)
assert sorted(ours) == sorted(theirs), (sorted(ours), sorted(theirs))
worst = {}
for name, a in ours.items():
    b = theirs[name]
    assert a.shape == b.shape, (name, a.shape, b.shape)
    # Branches may come in another order there.
    a, b = np.sort(a), np.sort(b)
    worst[name] = float(np.max(np.abs(a - b) / np.maximum(np.abs(a), 1e-12)))
expected = run.load("cajax.json")["traces"]
places = {name: built.segments[cv] for name, cv in built.model["record"].items()}
record = {name: found.at(seg) for name, seg in places.items()}
sol = cx.simulate(found.model, inputs=found.inputs, t1=t1, dt=0.025, method=cx.BackwardEuler(), record=record)
far = {}
for name, seg in places.items():
    v = np.asarray(sol[name])
    v = v if v.ndim == 1 else v[:, found.number(seg)]
    far[name] = float(np.abs(v - np.array(expected[name])).max())
print(json.dumps({"worst": worst, "difference": max(far.values()), "range": float(np.ptp(v)),
                  "model": repr(found.recipe), "approximated": found.report.approximated,
                  "temperature": (found.cell.temperature if found.model.structure.is_cell else None)}))
"""
)


def done(script: str) -> dict:
    """Run a script in a process of its own; return the JSON of its last line."""
    env = {**os.environ, "PYTHONWARNINGS": "ignore"}
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=env, timeout=600
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.slow
def test_a_cell_built_by_hand_does_the_same_here():
    found = done(CELL + COMPARED)
    assert found["range"] > 60.0
    assert found["difference"] <= 1e-3
    assert sorted(found["tags"]) == ["apical", "apical2", "basal", "soma"]  # the twig has no hh
    assert found["exact"] == ["hh: HH on 2 sections", "pas: Leak on 4 sections", "IClamp: 1 in all"]
    assert found["approximated"] == []


@pytest.mark.slow
@pytest.mark.parametrize("case", ["pyramidal", "calcium", "ring", "dendrite", "joined"])
def test_there_and_back_is_the_same_model(case, tmp_path):
    head = f"FOLDER, HERE, CASE = {str(tmp_path)!r}, {str(HERE)!r}, {case!r}\n"
    found = done(BUILT + head + ROUND)
    assert {k: x for k, x in found["worst"].items() if x > 1e-6} == {}
    assert found["range"] > 10.0
    assert found["difference"] <= 1e-4
    assert found["temperature"] == (34.0 if case == "calcium" else None)


REFUSED = {
    "nothing": ("", "holds 0 cells (no sections)"),
    "artificial cells": (
        "a = h.Section(name='a'); s = h.ExpSyn(a(0.5)); f = h.IntFire1(); c = h.NetCon(f, s)",
        "NEURON holds IntFire1, an artificial cell with a state of its own",
    ),
    "gids": (
        "a = h.Section(name='a'); s = h.ExpSyn(a(0.5)); p = h.ParallelContext(); c = p.gid_connect(7, s)",
        "listens to gid 7, whose cell is not in this process",
    ),
    "strangers": (
        "a = h.Section(name='a'); a.insert('extracellular')",
        "NEURON holds extracellular in a: a layer outside the membrane; take it out, or call",
    ),
    "equations": (
        "a = h.Section(name='a'); m = h.Matrix(1, 1); y, b = h.Vector(1), h.Vector(1);"
        " l = h.LinearMechanism(m, m, y, b, 0.5, sec=a)",
        "NEURON holds 1 LinearMechanism: equations of its own",
    ),
    "held": (
        "a = h.Section(name='a'); n = h.NetStim(); n.noise = 0.5; s = h.ExpSyn(a(0.5)); c = h.NetCon(n, s)",
        "from_neuron: NetStim[",
        {"strict": True},
    ),
    "strange": ("a = h.Section(name='a')", "no mechanism 'pass'; did you mean 'pas'", {"without": ["pass"]}),
    "words": ("a = h.Section(name='a')", "without must be a list of mechanisms' names", {"without": "pas"}),
    "yes": ("a = h.Section(name='a')", "from_neuron strict must be True or False", {"strict": "yes"}),
}


@pytest.mark.slow
def test_what_is_not_taken_over_is_refused_in_one_line():
    script = f"said = {{}}\nCASES = { ({k: (x[0], *x[2:]) for k, x in REFUSED.items()})!r}\n"
    script += """
for name, (text, *options) in CASES.items():
    world = {"h": h}
    exec(text, world)
    try:
        cx.from_neuron(**(options[0] if options else {}))
        said[name] = "taken"
    except cx.CajaxError as error:
        said[name] = str(error)
    world.clear()
    for sec in list(h.allsec()):
        h.delete_section(sec=sec)
print(json.dumps(said))
"""
    said = done(BUILT + script)
    for name, (_, expected, *_) in REFUSED.items():
        assert expected in said[name], name


UNSEEN = """
soma = h.Section(name="soma")
soma.L = soma.diam = 20.0
soma.insert("pas"), soma.insert("extracellular")
synapse, counter = h.ExpSyn(soma(0.5)), h.APCount(soma(0.5))
links = [h.NetCon(None, synapse) for _ in range(3)]
for k, link in enumerate(links):
    link.weight[0], link.delay = 0.001 * (k + 1), 1.5
values, times = h.Vector([0.0, 0.1]), h.Vector([0.0, 5.0])
clamp = h.IClamp(soma(0.5))
clamp.dur = 1e9
values.play(clamp._ref_amp, times, True)
h.v_init = -65.0
h.finitialize(-65.0)
links[0].event(4.0), links[1].event(6.0), links[1].event(8.0)
found = cx.from_neuron(without=["extracellular"])
before = [*found.report.unseen]
h.fadvance()
late = cx.from_neuron(without=["extracellular"]).report
report = found.report
said = []
for wrong in (lambda: found.at("some"), lambda: found.at(3), lambda: found.cell, lambda: found.at("soma(x)"),
              lambda: cx.Cell(cx.cylinder(1.0, 1.0)).discretize(found.policy),
              lambda: cx.from_neuron(without=["extracellular"], strict=True)):
    try:
        wrong()
    except cx.CajaxError as error:
        said.append(str(error))
print(json.dumps({"recipe": repr(found.recipe), "exact": report.exact, "approximated": report.approximated,
                  "refused": report.refused, "unseen": report.unseen, "late": late.unseen, "said": said,
                  "times": [x.times.tolist() for x in found.inputs]}))
"""


@pytest.mark.slow
def test_nothing_is_dropped_in_silence():
    found = done(BUILT + UNSEEN)
    assert found["recipe"] == "Network(1 cell, 2 events; events->cell.expsyn)"
    assert found["times"] == [[[2.5, float("inf")], [4.5, 6.5]]]  # they arrive 1.5 ms later
    assert found["refused"] == ["extracellular: left out, as asked"]
    assert "'events->cell.expsyn': 2 connections to 1 ExpSyn" in found["exact"]
    assert any(x.startswith("NetCon[2] has no source") for x in found["unseen"])
    assert "IClamp at soma(0.5) injects nothing by itself, and is left out" in found["unseen"]
    assert "APCount: 1, which let no current flow, are left out" in found["exact"]
    assert any("Vectors is played into a variable" in x for x in found["unseen"])
    assert any(x.startswith("3 events on their way at t = 0.025 ms") for x in found["late"])
    assert [x.partition(";")[0] for x in found["said"]] == [
        "no section 'some'",
        "3 is no segment that was taken over",
        "this is a network, Network(1 cell, 2 events",
        "no section 'soma(x)'",
        "this discretization is that of the morphologies which from_neuron took over",
        "from_neuron: extracellular: left out, as asked",
    ]


TRANSFORMED = """
from neuron import rxd
soma = h.Section(name="soma")
region = rxd.Region([soma], nrn_region="i")
ca = rxd.Species(region, name="ca", charge=2)
try:
    cx.from_neuron()
    said = "taken"
except cx.CajaxError as error:
    said = str(error)
print(json.dumps({"said": said}))
"""


@pytest.mark.slow
def test_reactions_and_diffusion_are_seen():
    assert (
        "NEURON holds rxd with ca: reactions and diffusion; take it out" in done(BUILT + TRANSFORMED)["said"]
    )


def test_it_is_exported_at_the_root():
    assert cx.from_neuron.__name__ == "from_neuron"
