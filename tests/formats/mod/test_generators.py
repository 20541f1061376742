"""Spike generators of .mod files: cells that send themselves events and drive others by net_event."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import ExpSyn, Leak
from cajax.record import SpikeTrain

pytest.importorskip("neuron.nmodl", reason="cajax[neuron] is not installed")

DT = 0.025
TICKER = """
NEURON { ARTIFICIAL_CELL ticker RANGE interval, number, start, noise }
PARAMETER { interval = 10 (ms) number = 4 start = 5 (ms) noise = 0 }
ASSIGNED { wait (ms) on count }
INITIAL {
    on = 0
    count = 0
    if (start >= 0 && number > 0) {
        on = 1
        net_send(start, 3)
    }
}
FUNCTION next(mean (ms)) (ms) {
    if (noise == 0) { next = mean } else { next = (1 - noise)*mean + noise*exprand(mean) }
}
NET_RECEIVE (w) {
    if (flag == 0) {
        if (w < 0) { on = 0 }
    }
    if (flag == 3) { net_send(0, 1) }
    if (flag == 1 && on == 1) {
        count = count + 1
        net_event(t)
        if (count < number) { wait = next(interval) net_send(wait, 1) }
    }
}
"""
BURSTS = """
NEURON { POINT_PROCESS bursts RANGE within, between, length, y }
PARAMETER { within = 1.01 (ms) between = 6 (ms) length = 3 }
ASSIGNED { k event (ms) y }
INITIAL {
    k = 0
    y = -90
    event = -between
    while (event < 0) { event = event + between }
    net_send(event, 1)
}
NET_RECEIVE (w) {
    if (flag == 1) {
        net_event(t)
        y = 20
        k = k + 1
        if (k < length) { event = event + within } else { k = 0 event = event + between }
        net_send(event - t, 1)
        net_send(0.1, 2)
    } else if (flag == 2) {
        y = -90
    }
}
"""
INTEGRATOR = """
NEURON { POINT_PROCESS integrator RANGE rate, top }
PARAMETER { rate = 0.31 (/ms) top = 1 }
STATE { m }
INITIAL { m = 0 net_send(0, 1) }
BREAKPOINT { SOLVE states METHOD cnexp }
DERIVATIVE states { m' = rate }
NET_RECEIVE (w) {
    if (flag == 1) { WATCH (m > top) 2 }
    if (flag == 2) { net_event(t) m = 0 }
}
"""
MOVER = """
NEURON { ARTIFICIAL_CELL mover }
ASSIGNED { n }
INITIAL { n = 0 net_send(7, 1) net_send(0.513, 2) }
NET_RECEIVE (w) {
    if (flag == 1) {
        net_event(t)
        n = n + 1
        if (n < 3) { net_send(1.207, 1) }
    }
    if (flag == 2) { net_move(t + 1.207) }
}
"""
LISTENER = """
NEURON { ARTIFICIAL_CELL listener RANGE m }
ASSIGNED { m }
INITIAL { m = 0 }
NET_RECEIVE (w) { m = m + w if (m > 1) { net_event(t) m = 0 } }
"""
PLAYER = """
NEURON { ARTIFICIAL_CELL player }
ASSIGNED { etime (ms) space }
INITIAL { element() net_send(etime, 1) }
NET_RECEIVE (w) { net_event(t) element() net_send(etime - t, 1) }
PROCEDURE element() {
VERBATIM
    { void* vv = *((void**)(&space)); etime = vector_vec(vv)[0]; }
ENDVERBATIM
}
"""
WATCHER = """
NEURON { POINT_PROCESS watcher RANGE level }
PARAMETER { level = -20 (mV) }
ASSIGNED { v (mV) }
INITIAL { net_send(0, 1) }
NET_RECEIVE (w) { if (flag == 1) { WATCH (v > level) 2 } else if (flag == 2) { net_event(t) } }
"""
SILENT = """
NEURON { ARTIFICIAL_CELL silent }
INITIAL { net_send(1, 1) }
NET_RECEIVE (w) { net_send(1, 1) }
"""
STAIRS = """
NEURON { SUFFIX stairs NONSPECIFIC_CURRENT i RANGE step }
PARAMETER { step = 10 (mV) }
ASSIGNED { v (mV) i (mA/cm2) x (mV) }
STATE { n }
INITIAL { n = 0 }
BREAKPOINT { SOLVE climb i = 0 }
PROCEDURE climb() {
    n = 0
    x = v
    while (x < -50) {
        x = x + step
        n = n + 1
    }
}
"""


def written(folder: Path, text: str):
    path = folder / f"{text.split(chr(10))[1].split()[3]}.mod"
    path.write_text(text)
    return cx.read_mod(path)


def network(fire, count=1, weight=2e-3):
    """Generators that drive passive cells, one each."""
    cell = cx.Cell(cx.cylinder(20.0, 10.0), v0=-65.0).paint("all", leak=Leak(g=1e-4, e=-65.0))
    net = cx.Network().add("s", cx.Cell(cx.cylinder(20.0, 10.0)).paint("soma", fire=fire), count)
    net = net.add("c", cell, count)
    net = net.connect("s", "c", ExpSyn(tau=2.0), weight=weight, delay=1.0, rule=cx.one_to_one(), name="syn")
    return net.discretize(cx.PerBranch(1))


def fired(fire, t1, method, count=1, most=40):
    """The spike times of the generators, one list each."""
    spikes = SpikeTrain("s", most=most)
    sol = cx.simulate(network(fire, count), t1=t1, dt=DT, method=method, record={"s": spikes})["s"]
    assert int(sol.counts.max()) <= most
    return [row[np.isfinite(row)] for row in np.asarray(sol.times).reshape(count, -1)]


@pytest.mark.parametrize("method", [cx.BackwardEuler(), cx.Staggered()], ids=["euler", "staggered"])
def test_spikes_are_at_their_times(tmp_path, method):
    """They fall on the step that is nearest, however long the train: roundings do not add up."""
    made = written(tmp_path, TICKER)
    assert issubclass(made, cx.mech.PointNeuron)
    (times,) = fired(made(interval=1.013, number=25, start=0.5), 30.0, method)
    expected = 0.5 + 1.013 * np.arange(25)
    assert len(times) == 25
    assert np.abs(times - expected).max() <= 0.51 * DT
    on_grid = np.round(expected / DT) * DT
    np.testing.assert_allclose(times, on_grid, atol=0.01 * DT)


def test_a_burst_has_its_structure(tmp_path):
    made = written(tmp_path, BURSTS)
    (times,) = fired(made(), 20.0, cx.BackwardEuler())
    first = np.arange(3) * (6.0 + 2 * 1.01)
    expected = (first[:, None] + 1.01 * np.arange(3)).ravel()
    assert len(times) == 9
    # No voltage can be high at 0 ms already: that spike is a step late.
    np.testing.assert_allclose(times[0], DT, atol=0.01 * DT)
    assert np.abs(times - expected)[1:].max() <= 0.51 * DT
    assert not made.report.approximated[1:], made.report


def test_states_that_run_and_are_watched(tmp_path):
    (times,) = fired(written(tmp_path, INTEGRATOR)(), 20.0, cx.BackwardEuler())
    steps = np.ceil(1.0 / 0.31 / DT)
    assert len(times) == 6
    # The watch begins anew at each crossing, and m at zero.
    np.testing.assert_allclose(np.diff(times), steps * DT, atol=1e-9)
    np.testing.assert_allclose(times[0], steps * DT, atol=1.01 * DT)


def test_what_they_drive_is_as_in_neuron(tmp_path):
    code = f"""
import json
from neuron import h
h.load_file("stdrun.hoc")
sec = h.Section(name="c")
sec.L = sec.diam = 20.0
sec.insert("pas")
sec(0.5).pas.g, sec(0.5).pas.e = 1e-4, -65.0
stim = h.NetStim()
stim.interval, stim.number, stim.start, stim.noise = 3.337, 5, 2.0, 0.0
syn = h.ExpSyn(sec(0.5))
syn.tau = 2.0
con = h.NetCon(stim, syn)
con.delay, con.weight[0] = 1.0, 2e-3
v = h.Vector().record(sec(0.5)._ref_v)
h.dt, h.steps_per_ms = {DT}, {1 / DT}
h.finitialize(-65.0)
h.continuerun(22.0)
print(json.dumps(list(v)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = np.array(json.loads(done.stdout.splitlines()[-1]))
    model = network(written(tmp_path, TICKER)(interval=3.337, number=5, start=2.0))
    sol = cx.simulate(model, t1=22.0, dt=DT, method=cx.BackwardEuler(), record={"v": "c"})
    ours = np.asarray(sol["v"]).ravel()
    assert expected.max() > -60.0
    assert np.abs(ours - expected[: len(ours)]).max() < 1e-9


def test_random_trains(tmp_path):
    """Every cell has a train of its own, every seed others; their rate is right."""
    made = written(tmp_path, TICKER)
    count, t1 = 100, 60.0

    def trains(seed):
        fire = made(interval=4.0, number=1e6, start=0.1, noise=1.0, seed=seed)
        return fired(fire, t1, cx.BackwardEuler(), count)

    one, again, other = trains(0), trains(0), trains(1)
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert not np.array_equal(one[0], one[1])
    assert not np.array_equal(one[0], other[0])
    intervals = np.concatenate([np.diff(x) for x in one])
    assert len(one[0]) > 3
    # 1,500 exponential intervals, those cut by the end missing: within 10 % of the mean and of its spread.
    assert abs(sum(map(len, one)) / (count * (1.0 + t1 / 4.0)) - 1.0) < 0.1
    assert abs(np.std(intervals) / np.mean(intervals) - 1.0) < 0.15


def test_a_run_goes_on_where_it_stopped(tmp_path):
    model = network(written(tmp_path, TICKER)(interval=1.7, number=9.0, start=0.4, noise=0.6, seed=5))
    record = {"v": "c"}
    whole = cx.simulate(model, t1=8.0, dt=DT, record=record)["v"]
    first = cx.simulate(model, t1=3.0, dt=DT, record=record)
    second = cx.simulate(model, t1=5.0, dt=DT, record=record, state=first.state, continued=True)
    assert float(whole.max()) > -64.0
    np.testing.assert_array_equal(np.concatenate([first["v"][:-1], second["v"]]), whole)


def test_events_are_moved(tmp_path):
    """`net_move` and `net_send` count from the time of the event, not from the step that it is in."""
    made = written(tmp_path, MOVER)
    (times,) = fired(made(), 10.0, cx.BackwardEuler())
    expected = [0.513 + 1.207, 0.513 + 2 * 1.207, 0.513 + 3 * 1.207]
    assert len(times) == 3
    np.testing.assert_allclose(times, np.round(np.array(expected) / DT) * DT, atol=0.01 * DT)


def test_native_saved_and_differentiated(tmp_path):
    made = written(tmp_path, TICKER)
    model = network(made(interval=2.0, number=3.0, start=1.0))

    def loss(model):
        return cx.simulate(model, t1=9.0, dt=DT, record={"v": "c"})["v"].mean()

    assert cx.plan(model, t1=9.0, dt=DT, record={"v": "c"}).executor == "native"
    gradient = jax.grad(loss)(model).params
    path = next(p for p in gradient if p.endswith(".weight"))
    assert float(jnp.abs(gradient[path]).max()) > 0.0
    assert float(jnp.abs(gradient["s.soma.fire.interval"]).max()) == 0.0
    (tmp_path / "ticker.mod").unlink()
    saved = cx.save(tmp_path / "model", model)
    assert float(loss(cx.load(saved))) == float(loss(model))
    counts = cx.simulate(model, t1=9.0, dt=DT, record={"n": "s.soma.fire.count"})["n"]
    np.testing.assert_array_equal(np.unique(np.asarray(counts)), [0.0, 1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (LISTENER, 1, "listener fires only by what it receives, which has no way in; use a point neuron"),
        (PLAYER, 7, "C code takes part in the events of player; give their times by cx.Spikes"),
        (WATCHER, 1, "watcher fires by the voltage of a cell; give connect a threshold in its place"),
        (SILENT, 1, "silent sends no event to other cells; there is nothing to connect"),
    ],
    ids=["listener", "player", "watcher", "silent"],
)
def test_refusals(tmp_path, text, line, says):
    with pytest.raises(cx.CajaxError) as caught:
        written(tmp_path, text)
    assert f".mod:{line}: {says}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_reports(tmp_path):
    ticker, integrator = written(tmp_path, TICKER), written(tmp_path, INTEGRATOR)
    nothing = "nothing is received from other cells"
    assert any(nothing in line for line in ticker.report.approximated)
    assert not integrator.report.approximated
    with pytest.raises(cx.CajaxError, match="strict"):
        cx.read_mod(tmp_path / "ticker.mod", strict=True)
    assert cx.read_mod(tmp_path / "integrator.mod", strict=True).report == integrator.report


def test_while_with_a_computed_condition(tmp_path):
    """It takes as many turns as each place needs; more than are taken over are NaN, not a wrong number."""
    made = written(tmp_path, STAIRS)
    kinetics = made().gates(jnp.array([-81.0, -50.0, -40.0]))["states"]
    states = kinetics.advance("states", kinetics.rest("states"), DT, 1)
    states = kinetics.advance("states", states, DT, 1)
    np.testing.assert_array_equal(states["n"], [4.0, 0.0, 0.0])
    kinetics = made(step=0.01).gates(jnp.array([-81.0, -50.1]))["states"]
    states = kinetics.advance("states", kinetics.rest("states"), DT, 1)
    states = kinetics.advance("states", states, DT, 1)
    assert np.isnan(states["n"][0])
    assert states["n"][1] in (10.0, 11.0)
