from functools import cache

import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.engine import bind
from cajax.engine.moment import Moment
from cajax.engine.step import advance, initial, present
from cajax.mech import HH, Graded, Leak

from ..helpers import active, joined, passive

DT = jnp.asarray(0.1)


def test_the_start_is_steady():
    physics = bind(active())
    for method in (cx.Staggered(), cx.BackwardEuler()):
        state = initial(physics, method, DT)
        gates = present(physics, method, state).parts["membranes"]
        np.testing.assert_allclose(gates["kd"]["n"], state.parts["membranes"]["kd"]["n"], rtol=1e-14)
    assert float(state.t) == 0.0 and state.parts["membranes"]["leak"] == {}


def test_currents_and_slopes():
    """nA and µS per CV: a leak is g A (v - e), a synapse g (v - e), and their slopes do not depend on v."""
    physics = bind(joined())
    v = jnp.linspace(-80.0, -40.0, joined().structure.size)
    start = initial(physics, cx.BackwardEuler(), DT)
    moment = Moment(physics, v, start.t, start.n, DT, 1, start.parts)
    _, total, slope = physics.membranes.load(start.parts["membranes"], moment, DT)
    graded = physics.part("a->b.graded")
    i, di = graded.current(graded.post.take(v), {"s": jnp.array([0.5, 0.25])})
    total, slope = graded.post.add(total, i), graded.post.add(slope, di)
    g = 1e-4 * np.asarray(joined().area) * 1e-2
    synaptic = np.zeros(len(v))
    synaptic[joined().structure.sites("b")] = 0.75e-3
    np.testing.assert_allclose(slope, g + synaptic, rtol=1e-12)
    np.testing.assert_allclose(total, g * (np.asarray(v) + 70.0) + synaptic * np.asarray(v), rtol=1e-12)


@pytest.mark.parametrize(("method", "factor"), [
    (cx.BackwardEuler(), lambda z: 1 / (1 + z)),
    (cx.Staggered(), lambda z: (1 - z / 2) / (1 + z / 2)),
])  # fmt: skip
def test_one_step_of_a_patch(method, factor):
    model = cx.Cell(cx.cylinder(20.0, 10.0), v0=-60.0).paint("all", leak=Leak()).discretize(cx.PerBranch(1))
    physics = bind(model)
    new = advance(physics, method, initial(physics, method, DT))
    assert float(new.v[0]) == pytest.approx(-70.0 + 10.0 * factor(0.1 / 10.0), rel=1e-13)
    assert int(new.n) == 1 and float(new.t) == pytest.approx(0.1)


def test_a_current_enters_where_it_should():
    model = passive().discretize(cx.PerBranch(2))
    physics, clamped = bind(model), bind(model, [cx.IClamp("soma", 0.0, 1.0, 0.2)])
    method = cx.BackwardEuler()
    without = advance(physics, method, initial(physics, method, DT))
    with_it = advance(clamped, method, initial(clamped, method, DT))
    charge = (with_it.v - without.v) @ (physics.capacitance / DT + 1e-6 * model.area)
    assert float(charge) == pytest.approx(0.2, rel=1e-11)


@cache
def clamped(method, dt):
    cell = cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak()).paint("apical", hh=HH())
    sol = cx.simulate(
        cell.discretize(cx.PerBranch(3)),
        4.0,
        dt,
        [cx.VClamp("soma", -50.0)],
        {"v": cx.every_cv("apical")},
        method,
    )
    return np.asarray(sol["v"])[:: round(0.2 / dt)][5:]


def test_a_clamped_run_is_of_second_order():
    """Also where the damped step takes the place of Crank–Nicolson; after the jump at the start."""
    errors = [
        np.abs(clamped(cx.Staggered(), dt) - clamped(cx.Staggered(), 0.003125)).max() for dt in (0.05, 0.025)
    ]
    first = np.abs(clamped(cx.BackwardEuler(), 0.025) - clamped(cx.Staggered(), 0.003125)).max()
    print(f"clamped: errors {errors} mV, backward Euler {first}")
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.25)
    assert errors[1] < first


def test_a_synapse_pulls_towards_its_reversal():
    synapse, itself = Graded(e=-90.0, threshold=-90.0), cx.all_to_all(autapses=True)
    net = cx.Network().add("a", passive(), 1).connect("a", "a", synapse, itself, weight=1.0)
    sol = cx.simulate(net.discretize(cx.PerBranch(1)), 200.0, 1.0, method=cx.BackwardEuler())
    assert -90.0 < float(sol["a"][-1, 0]) < -85.0


def test_a_strong_membrane_at_a_large_step_spikes_once():
    """Twenty times the squid's sodium at 0.1 ms: Crank–Nicolson alone rings into spikes that are not there."""
    cell = (
        cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak()).paint("soma", hh=HH(gna=3.0, gk=0.8, gl=0.0))
    )
    model = cell.discretize(cx.MaxLength(50.0))
    counts, peaks = [], []
    for dt in (0.1, 0.0125):
        v = cx.simulate(model, 8.0, dt, [cx.IClamp("soma", 1.0, 6.0, 3.0)], {"v": "soma"})["v"]
        counts.append(int(((v[:-1] < -20.0) & (v[1:] >= -20.0)).sum()))
        peaks.append(float(v.max()))
    print(f"spikes {counts}, peaks {peaks} mV")
    assert counts[0] == counts[1] > 0
    assert peaks[0] < peaks[1] + 3.0
