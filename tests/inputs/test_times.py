"""Times of inputs: from the start of the run, whatever came before it, or of the run that goes on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.base.errors import ProtocolError
from cajax.mech import ExpSyn, Leak, RewardSTDP

from ..helpers import one_line

POINT = cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", leak=Leak(g=1e-4, e=-65.0))
CELL = POINT.discretize(cx.PerBranch(1))
RULE = RewardSTDP(a_plus=0.1, rate=0.1)
NET = (
    cx.Network()
    .add("i", cx.SpikeSource())
    .add("c", POINT)
    .connect("i", "c", ExpSyn(), weight=2e-2, plasticity=RULE)
    .discretize(cx.PerBranch(1))
)
RAMP = jnp.linspace(0.0, 0.05, 30)
INPUTS = {
    "IClamp": (CELL, cx.IClamp("soma", 1.0, 2.0, 0.05)),
    "Current": (CELL, cx.Current("soma", RAMP, dt=0.1)),
    "VClamp": (CELL, cx.VClamp("soma", -65.0 + 100.0 * RAMP, dt=0.1)),
    "Conductance": (CELL, cx.Conductance("soma", RAMP, dt=0.1, e=0.0)),
    "TwoElectrode": (CELL, cx.TwoElectrode("soma", v=-60.0)),
    "Noise": (CELL, cx.Noise("soma", 0.01, 0.01, 1.0, jax.random.key(0))),
    "Spikes": (NET, cx.Spikes("i", [1.0, 2.0])),
    "Poisson": (NET, cx.Poisson("i", jnp.linspace(0.0, 2000.0, 30), jax.random.key(1), dt=0.1)),
}


def run(model, inputs, t1=3.0, **options):
    place = "soma" if model is CELL else "c"
    return cx.simulate(model, t1, 0.05, inputs, {"v": place}, **options)


@pytest.mark.parametrize("kind", INPUTS)
def test_settle_then_stimulate(kind):
    """At rest the past changes nothing: the run is the one from the start, also after a run with the same input."""
    model, source = INPUTS[kind]
    fresh = run(model, [source])
    for before in ([], [source]) if kind == "IClamp" else ([],):
        settled = run(model, before, 400.0)
        again = run(model, [source], state=settled.state)
        np.testing.assert_array_equal(again.ts, fresh.ts)
        np.testing.assert_allclose(again["v"], fresh["v"], atol=1e-9)
    assert float(jnp.ptp(fresh["v"])) > 0.1


@pytest.mark.parametrize("kind", INPUTS)
def test_a_run_that_goes_on_is_the_unbroken_run(kind):
    model, source = INPUTS[kind]
    whole, first = run(model, [source]), run(model, [source], 1.5)
    rest = run(model, [source], 1.5, state=first.state, continued=True)
    np.testing.assert_array_equal(np.concatenate([first["v"], rest["v"][1:]]), whole["v"])
    np.testing.assert_array_equal(rest.ts, whole.ts[30:])


def test_a_new_input_inherits_no_memory():
    noise = lambda seed: cx.Noise("soma", 0.0, 0.01, 1.0, jax.random.key(seed))  # noqa: E731
    first = run(CELL, [noise(0)])
    for seed in (0, 1):
        rest = run(CELL, [noise(seed)], state=first.state)
        np.testing.assert_allclose(rest["v"] - rest["v"][0], run(CELL, [noise(seed)])["v"] + 65.0, atol=2.0)
        assert float(jnp.abs(rest["v"][1] - first["v"][-1])) < 1.0


WRONG = {
    "a step after the end": (lambda s: run(CELL, [cx.IClamp("soma", 5.0, 1.0, 0.1)], state=s), "5 ms"),
    "a step before the start": (lambda s: run(CELL, [cx.IClamp("soma", -5.0, 1.0, 0.1)], state=s), "-4 ms"),
    "a new step that has ended": (
        lambda s: run(CELL, [cx.IClamp("soma", 1.0, 1.0, 0.1)], state=s, continued=True),
        "starts at 10 ms",
    ),
    "a new waveform that has ended": (
        lambda s: run(CELL, [cx.Current("soma", RAMP, dt=0.1)], state=s, continued=True),
        "2.9 ms",
    ),
    "a new command that has ended": (
        lambda s: run(CELL, [cx.VClamp("soma", RAMP, dt=0.1)], state=s, continued=True),
        "2.9 ms",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_an_input_that_cannot_act_is_an_error(kind):
    settled = run(CELL, [], 10.0).state
    with pytest.raises(ProtocolError) as error:
        WRONG[kind][0](settled)
    assert WRONG[kind][1] in one_line(error)


@pytest.mark.parametrize("times", [[5.0], [-1.0, 3.0], [[7.0, np.inf]]])
def test_spikes_outside_of_the_run_are_an_error(times):
    with pytest.raises(ProtocolError) as error:
        run(NET, [cx.Spikes("i", times)])
    assert "0 to 3 ms" in one_line(error)
    assert bool(run(NET, [cx.Spikes("i", [np.inf])]).finite)  # silence, and said so


def test_what_has_ended_may_go_on():
    """A run in pieces keeps its list of inputs."""
    inputs = [cx.IClamp("soma", 1.0, 1.0, 0.05)]
    whole, state, pieces = run(CELL, inputs, 6.0), None, []
    for _ in range(3):
        sol = run(CELL, inputs, 2.0, state=state, continued=state is not None)
        pieces.append(sol["v"][1:])
        state = sol.state
    np.testing.assert_array_equal(np.concatenate(pieces), whole["v"][1:])


def test_rewards_are_of_the_run():
    inputs = [cx.Spikes("i", [1.0]), cx.Reward("i->c.expsyn", jnp.ones(40), dt=0.1)]
    assert bool(run(NET, inputs, state=run(NET, [], 50.0).state).finite)
    with pytest.raises(ProtocolError, match=r"3\.9 ms"):
        run(NET, inputs[1:], state=run(NET, [], 50.0).state, continued=True)
