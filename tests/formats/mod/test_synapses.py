"""Point processes of .mod files on connections against NEURON (`synapse_traces.npz`, made by `synapse_traces.py`)."""

from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import Fixed, Leak

from .synapse_traces import POINTERS, PULSES, TIMES, WEIGHTS

pytest.importorskip("neuron", reason="NEURON's parser is the extra cajax[neuron]")

HERE = Path(__file__).resolve().parent
TRACES = np.load(HERE / "synapse_traces.npz")
NAMES = sorted(p.stem for p in (HERE / "synapses").glob("*.mod"))
FIRST = {"method": cx.BackwardEuler(), "dt": 0.025}


@cache
def mechanism(name):
    return cx.read_mod(HERE / "synapses" / f"{name}.mod")


def network(name, weight=0.01, late=0.0, **options):
    """A cell with the synapse; what drives it comes `late` ms after points of the grid of steps."""
    shape, warm = cx.cylinder(20.0, 10.0), {"v0": -70.0, "temperature": 22.0}
    post = cx.Cell(shape, **warm).paint("all", leak=Leak(g=1e-4, e=-70.0))
    if name == "ywatch":
        post = post.paint("all", ca=Fixed(ci=2e-3, co=2.0))
    if name in POINTERS:
        net = cx.Network().add("a", cx.Cell(shape, **warm).paint("all", leak=Leak(g=1e-3, e=-70.0)))
        inputs = [cx.IClamp("a", delay=t - 1.0 + late, dur=1.0, amp=2.0) for t in PULSES]
    else:
        net = cx.Network().add("a", cx.SpikeSource())
        inputs = [cx.Spikes("a", [[t + late for t in TIMES]])]
    net = net.add("b", post).connect("a", "b", mechanism(name)(**options), name="s", weight=weight, delay=1.0)
    return net.discretize(cx.PerBranch(1)), {"inputs": inputs, "record": {"v": "b"}}


@pytest.mark.parametrize("name", NAMES)
def test_voltages_are_those_of_neuron(name):
    for weight in WEIGHTS:
        model, run = network(name, weight)
        assert cx.plan(model, t1=50.0, **FIRST, **run).executor == "native"
        v = cx.simulate(model, t1=50.0, **FIRST, **run)["v"].ravel()
        assert np.ptp(v) > 1.0
        assert np.abs(v[::10] - TRACES[f"{name}|{weight:g}"]).max() < 1e-3


# Lengths that fall between two steps: where one ends on a step, a little more of it takes one step more.
BETWEEN = {"ydur": {"Cdur": 1.713, "delay_": 2.511}, "yrel": {"Cdur": 1.013, "Cdead": 1.009}}


@pytest.mark.parametrize("method", [cx.BackwardEuler(), cx.Staggered()], ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_every_parameter_are_central_differences(name, method):
    model, run = network(name, 0.01, 0.0117, **BETWEEN.get(name, {}))
    paths = [p for p in model.params if p.startswith("a->b.s.")]
    run["inputs"] = run["inputs"][:4]
    t1 = 35.0 if name == "ywatch" else 22.0

    @jax.jit
    def loss(values):
        return cx.simulate(model.replace(values), t1=t1, dt=0.05, method=method, **run)["v"].mean()

    x = {p: model.params[p] for p in paths}
    found = jax.grad(loss)(x)
    scale = max(float(jnp.abs(g * x[p]).max()) for p, g in found.items())
    for p in paths:
        size = float(jnp.abs(x[p]).max()) or 1.0

        def central(h, p=p):
            at = lambda s: float(loss({**x, p: x[p] + s}))  # noqa: E731
            return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)

        slope = float(found[p].sum())
        error = min(abs(central(h * size) - slope) for h in (1e-3, 1e-4, 1e-5))
        assert np.isfinite(slope) and error <= 1e-6 * max(abs(slope), 1e-4 * scale / size), p
