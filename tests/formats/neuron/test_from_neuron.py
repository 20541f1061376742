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
cx.to_neuron(model, folder, inputs, t1=t1, proof=False)
tool = os.path.join(os.path.dirname(sys.executable), "nrnivmodl")
subprocess.run([tool if os.path.exists(tool) else "nrnivmodl", "mod"], cwd=folder, capture_output=True, check=True)
sys.path.insert(0, folder)
import run
built = run.Built(run.load())
found = cx.from_neuron()
"""
    """
def tables(model):
    physics = bind(model)
    at = {name: np.asarray(getattr(physics, name)) for name in ("capacitance", "axial", "v0")}
    for m in physics.membranes.channels:
        name = type(m.channel).__name__
        at |= {f"{name}.{k}": np.broadcast_to(x, m.scale.shape) for k, x in m.channel.params().items()}
    for m in physics.ions.ions:
        at |= {f"{m.species}.{k}": np.broadcast_to(x, m.radius.shape) for k, x in m.ion.params().items()}
    return at, physics

ours, here = tables(model)
theirs, there = tables(found.model)
assert sorted(ours) == sorted(theirs), (sorted(ours), sorted(theirs))
worst = {}
for name, a in ours.items():
    b = theirs[name]
    assert a.shape == b.shape, (name, a.shape, b.shape)
    # Branches may come in another order there.
    a, b = np.sort(a), np.sort(b)
    worst[name] = float(np.max(np.abs(a - b) / np.maximum(np.abs(a), 1e-12)))
run_it = {"t1": t1, "dt": 0.025, "method": cx.BackwardEuler(), "record": {"v": "soma"}}
v, w = (np.asarray(cx.simulate(m, inputs=i, **run_it)["v"]) for m, i in ((model, inputs), (found.model, found.inputs)))
print(json.dumps({"worst": worst, "difference": float(np.abs(v - w).max()), "range": float(np.ptp(v)),
                  "temperature": found.cell.temperature}))
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
    assert found["exact"] == ["hh: HH on 2 sections", "pas: Leak on 4 sections"]
    assert len(found["approximated"]) == 1  # what can't be seen


@pytest.mark.slow
@pytest.mark.parametrize("case", ["pyramidal", "calcium"])
def test_there_and_back_is_the_same_model(case, tmp_path):
    head = f"FOLDER, HERE, CASE = {str(tmp_path)!r}, {str(HERE)!r}, {case!r}\n"
    found = done(BUILT + head + ROUND)
    assert {k: x for k, x in found["worst"].items() if x > 1e-6} == {}
    assert found["range"] > 60.0
    assert found["difference"] <= 1e-4
    assert found["temperature"] == (None if case == "pyramidal" else 34.0)


REFUSED = {
    "two cells": ("a, b = h.Section(name='a'), h.Section(name='b')", "holds 2 cells (a, b)"),
    "nothing": ("", "holds 0 cells (no sections)"),
    "synapses": ("a = h.Section(name='a'); s = h.ExpSyn(a(0.5))", "holds 1 ExpSyn"),
    "strangers": (
        "a = h.Section(name='a'); a.insert('extracellular')",
        "'extracellular' is none that from_neuron knows",
    ),
    "ends": (
        "a, b = h.Section(name='a'), h.Section(name='b'); b.connect(a(1), 1)",
        "is connected by its end 1",
    ),
    "steps": ("a = h.Section(name='a'); a.nseg = 2; a(0.25).diam = 3", "segments of different diameters"),
}


@pytest.mark.slow
def test_what_is_not_taken_over_is_refused_in_one_line():
    script = f"said = {{}}\nCASES = { ({k: x[0] for k, x in REFUSED.items()})!r}\n"
    script += """
for name, text in CASES.items():
    world = {"h": h}
    exec(text, world)
    try:
        cx.from_neuron()
        said[name] = "taken"
    except cx.CajaxError as error:
        said[name] = str(error)
    world.clear()
    for sec in list(h.allsec()):
        h.delete_section(sec=sec)
print(json.dumps(said))
"""
    said = done(BUILT + script)
    for name, (_, expected) in REFUSED.items():
        assert expected in said[name], name


def test_it_is_exported_at_the_root():
    assert cx.from_neuron.__name__ == "from_neuron"
