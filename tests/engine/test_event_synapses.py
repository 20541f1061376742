"""Spikes under way: each arrives once and at its time, whatever the step; and gradients flow through the times."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax import NonFiniteError
from cajax.base.errors import ProtocolError
from cajax.mech import AMPA, HH, STDP, EventSynapse, ExpSyn, FastSigmoid, Gate, Leak, Param, ShortTerm, param

from ..helpers import raises

STEPS = 240
N = 64
TAU = 5.0
Params = dict[str, jax.Array]


def point(**what: Any) -> cx.Cell:
    """One cylinder of one control volume with a leak."""
    return cx.Cell(cx.cylinder(20.0, 10.0), v0=-65.0).paint("all", leak=Leak(g=3e-4, e=-65.0), **what)


def driven(synapse: Any, n: int = 1, cell: cx.Cell | None = None, **options: Any) -> cx.Model:
    """`n` spike sources "s", each on a cell of its own in "b"."""
    net = cx.Network().add("s", cx.SpikeSource(), n).add("b", cell or point(), n)
    options = {"rule": cx.one_to_one(), "weight": 2e-3} | options
    return net.connect("s", "b", synapse, **options).discretize(cx.PerBranch(1))


def single(model: cx.Model) -> cx.Model:
    """The model in float32."""
    return jax.tree.map(lambda x: x.astype(jnp.float32), model)


def random_trains(rng: np.random.Generator, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """Spike times `[N, 8]` more than a step apart and delays `[N]`; a half of each are multiples of the step."""
    first = rng.integers(0, 12, (N, 1)) + np.cumsum(rng.integers(2, 16, (N, 8)), axis=1)
    inside = np.where(rng.random((N, 8)) < 0.5, 0.0, rng.random((N, 8)))
    steps = rng.integers(1, 80, N)
    return (first + inside) * dt, dt * (steps + np.where(rng.random(N) < 0.5, 0.0, rng.random(N)))


def arrived(times: np.ndarray, delays: np.ndarray, t1: float, tau: float = TAU) -> np.ndarray:
    """The conductance of `ExpSyn` at t1, in closed form."""
    age = t1 - times - delays[:, None]
    return np.where(age > 0, np.exp(-np.maximum(age, 0.0) / tau), 0.0).sum(axis=1)


@cache
def bundle(per_edge: bool, in_flight: int = 24) -> cx.Model:
    delay = cx.each("edge", 1.0) if per_edge else 1.0
    return driven(ExpSyn(tau=TAU), N, delay=delay, in_flight=in_flight)


# Room for many is searched in another way.
@pytest.mark.parametrize("in_flight", [24, 60])
@pytest.mark.parametrize("dt", [0.025, 0.1, 1.0 / 3.0, 0.0137, 0.0625])
def test_every_spike_arrives_once_at_its_time(dt, in_flight):
    times, delays = random_trains(np.random.default_rng(round(1e4 * dt)), dt)
    t1 = STEPS * dt
    assert ((times + delays[:, None]) < t1 - dt).all()
    model = bundle(True, in_flight).replace({"s->b.expsyn.delay": delays})
    g = cx.simulate(model, t1, dt, [cx.Spikes("s", times)], {"g": "s->b.expsyn.g"})["g"]
    np.testing.assert_allclose(g[-1], arrived(times, delays, t1), rtol=1e-11)
    middle = STEPS // 2
    # On the way: a spike that falls on the sample itself may be counted on either side of it.
    clear = (np.abs(times + delays[:, None] - middle * dt) > 1e-9 * t1).all(axis=1)
    np.testing.assert_allclose(
        g[middle][clear], arrived(times, delays, middle * dt)[clear], rtol=1e-11, atol=1e-13
    )


def test_single_precision_neither_loses_nor_doubles_a_spike():
    dt = 0.025
    model = single(bundle(True))
    for seed in range(3):
        times, delays = random_trains(np.random.default_rng(seed), dt)
        m = model.replace({"s->b.expsyn.delay": delays, "s->b.expsyn.tau": 1e9})
        spikes = cx.Spikes("s", jnp.asarray(times, jnp.float32))
        sol = cx.simulate(m, STEPS * dt, dt, [spikes], {"g": "s->b.expsyn.g", "v": "b"})
        assert sol["v"].dtype == jnp.float32
        np.testing.assert_allclose(sol["g"][-1], np.full(N, 8.0), rtol=1e-5)


def test_one_delay_for_all_is_the_same_as_a_delay_per_edge():
    dt = 0.05
    times, _ = random_trains(np.random.default_rng(1), dt)
    record = {"v": "b", "g": "s->b.expsyn.g"}

    @jax.jit
    def shared(delay):
        model = bundle(False).replace({"s->b.expsyn.delay": delay})
        return cx.simulate(model, STEPS * dt, dt, [cx.Spikes("s", times)], record).records

    for delay in (0.05, 1.0, 1.2345, 3.0):
        model = bundle(True).replace({"s->b.expsyn.delay": np.full(N, delay)})
        own = cx.simulate(model, STEPS * dt, dt, [cx.Spikes("s", times)], record)
        for name, x in shared(delay).items():
            np.testing.assert_allclose(own[name], x, rtol=1e-13, atol=1e-13)


def test_a_population_may_be_driven_by_two_inputs_and_a_cell_by_many_sources():
    model = driven(ExpSyn(tau=TAU), 1)
    a, b = cx.Spikes("s", [1.0, 2.03]), cx.Spikes("s", [1.51])
    g = cx.simulate(model, 6.0, 0.05, [a, b], {"g": "s->b.expsyn.g"})["g"]
    np.testing.assert_allclose(
        g[-1], arrived(np.array([[1.0, 2.03, 1.51]]), np.array([1.0]), 6.0), rtol=1e-11
    )


class Jolt(EventSynapse):
    """A current of 1 nA per µS that decays with `tau`, whatever the voltage."""

    tau: Param = param(2.0, "ms", lo=1e-3)

    def gates(self):
        return {"g": Gate.relax(jnp.zeros(()), self.tau)}

    def event(self, g):
        return {"g": g + 1.0}

    def release(self, g):
        return g

    def current(self, v, g):
        return -g + 0.0 * v


@pytest.mark.parametrize(("method", "error"), [(cx.Staggered(), 1e-4), (cx.BackwardEuler(), 0.015)])
def test_charge_does_not_depend_on_the_phase_of_arrival(method, error):
    """∫ (V − E) dt · G = weight · tau, for spikes anywhere in a step; to first order in dt/tau with backward Euler."""
    dt, tau = 0.05, 2.0
    model = driven(Jolt(tau=tau), 16, delay=0.5, weight=0.01)
    times = 1.0 + dt * np.linspace(0.0, 1.0, 16)[:, None]
    v = cx.simulate(model, 60.0, dt, [cx.Spikes("s", times)], method=method)["b"]
    leak = 3e-4 * 1e-2 * np.asarray(model.area[:16])  # µS
    charge = dt * np.asarray(v + 65.0).sum(axis=0) * leak
    np.testing.assert_allclose(charge, 0.01 * tau, rtol=error)
    assert np.ptp(charge) < 1e-4 * charge[0]


@pytest.mark.parametrize("surrogate", [None, FastSigmoid()])
@pytest.mark.parametrize("spikes", [[1.0, 2.0], [1.0, 2.0, 3.0], list(np.arange(1.0, 30.0))])
def test_more_spikes_in_flight_than_there_is_room_for_is_an_error(spikes, surrogate):
    model = driven(ExpSyn(), delay=6.0, in_flight=1 if surrogate is None else 3, surrogate=surrogate)
    if surrogate is not None:
        spikes = [x + 0.1 * k for x in spikes for k in range(4)]
    run = lambda: cx.simulate(model, 32.0, 0.05, [cx.Spikes("s", spikes)])  # noqa: E731
    raises(run, "no room", "in_flight", kind=NonFiniteError)


def test_room_is_exactly_what_was_asked_for():
    """A spike that arrives as the next one sets out needs no second slot; one that is still under way does."""
    record = {"g": "s->b.expsyn.g"}
    model = driven(ExpSyn(tau=1e9), delay=2.0, in_flight=1)
    for gap, finite in ((2.2, True), (2.05, True), (1.95, False), (1.0, False)):
        sol = cx.simulate(model, 12.0, 0.05, [cx.Spikes("s", [1.02, 1.02 + gap])], record, throw=False)
        assert bool(sol.finite) == finite
        if finite:
            np.testing.assert_allclose(sol["g"][-1], 2.0, rtol=1e-6)


@pytest.mark.parametrize("delay", [2.0, cx.each("edge", 2.0)], ids=["shared", "per edge"])
def test_no_spike_is_lost_in_silence(delay):
    """Whatever gap and delay on the grid or beside it: both arrive, or the run is not finite."""
    dt = 0.1
    gaps = np.round(np.arange(5, 26)) * dt
    model = driven(ExpSyn(tau=1e9), len(gaps), delay=delay, in_flight=1)
    for start in (0.0, 0.37, 0.5):
        times = np.stack([np.full(len(gaps), start), start + gaps], axis=1)
        sol = cx.simulate(model, 8.0, dt, [cx.Spikes("s", times)], {"g": "s->b.expsyn.g"}, throw=False)
        g = np.asarray(sol["g"][-1])
        assert (np.isnan(g) | (np.abs(g - 2.0) < 1e-6)).all(), g
        assert np.isnan(g[gaps < 1.85]).all() and not np.isnan(g[gaps > 2.15]).any()


def trial(dt: float, method: Any) -> jax.Array:
    """The voltage of a cell with two synapses under spikes off the grid, every 0.2 ms."""
    cell = point(hh=HH(gna=0.02, gk=0.01))
    net = cx.Network().add("s", cx.SpikeSource(), 1).add("b", cell, 1)
    net = net.connect("s", "b", AMPA(), weight=1e-3, delay=0.813)
    net = net.connect("s", "b", ExpSyn(e=-80.0), weight=1e-3, delay=1.377)
    model = net.discretize(cx.PerBranch(1))
    v = cx.simulate(model, 8.0, dt, [cx.Spikes("s", [1.0123, 2.9, 3.777])], method=method)["b"]
    return v[:: round(0.2 / dt), 0]


@pytest.mark.parametrize(("method", "order"), [(cx.Staggered(), 2), (cx.BackwardEuler(), 1)])
def test_order_of_convergence_of_a_driven_cell(method, order):
    truth = trial(0.1 / 64, cx.Staggered())
    errors = [float(jnp.sqrt(jnp.mean((trial(dt, method) - truth) ** 2))) for dt in (0.1, 0.05, 0.025)]
    found = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.abs(found - order).max() < 0.25, (errors, found)


@cache
def ring() -> cx.Model:
    """Three HH cells in a ring with delays per edge and STDP, kicked by a source through a depressing synapse."""
    cell = point(hh=HH())
    net = cx.Network().add("c", cell, 3).add("s", cx.SpikeSource(), 1)
    pairs = cx.edges([[0, 1], [1, 2], [2, 0]])
    delay = cx.each("edge", [3.013, 2.511, 4.022])
    net = net.connect("c", "c", ExpSyn(), pairs, weight=0.02, delay=delay, plasticity=STDP(a_plus=0.1))
    return net.connect("s", "c", ShortTerm(), cx.edges([[0, 0]]), weight=0.06, delay=1.0).discretize(
        cx.PerBranch(1)
    )


KICK = cx.Spikes("s", [0.513, 2.002])


@pytest.mark.parametrize("method", [cx.Staggered(), pytest.param(cx.BackwardEuler(), marks=pytest.mark.slow)])
def test_a_run_continues_with_spikes_in_flight(method):
    record = {"v": "c", "w": "c->c.expsyn.w", "g": "c->c.expsyn.g", "x": "s->c.shortterm.x"}
    whole = cx.simulate(ring(), 12.0, 0.05, [KICK], record, method)
    first = cx.simulate(ring(), 6.0, 0.05, [KICK], record, method)
    assert (np.asarray(first.state.parts["c->c.expsyn"]["queue"]["age"]) < 2.5).any()  # one is under way
    rest = cx.simulate(ring(), 6.0, 0.05, [KICK], record, method, state=first.state, continued=True)
    for name, x in whole.records.items():
        np.testing.assert_array_equal(np.concatenate([first[name], rest[name][1:]]), x)
    assert (np.asarray(whole["v"]).max(axis=0) > 0).all()  # the ring went round
    for a, b in zip(jax.tree.leaves(rest.state), jax.tree.leaves(whole.state), strict=True):
        np.testing.assert_array_equal(a, b)


def slopes(loss: Callable[[Params], jax.Array], params: Params, h: float = 1e-6) -> tuple[Params, Params]:
    """Return per path the derivative along one random direction, by `grad` and by central differences."""
    rng = np.random.default_rng(5)
    way = {k: jnp.asarray(np.abs(p) * rng.uniform(0.5, 1.5, p.shape)) for k, p in params.items()}
    moved = [
        {k: p + (s * h * way[k] if k == path else 0.0) for k, p in params.items()}
        for path in params
        for s in (1, -1)
    ]
    batch = {k: jnp.stack([m[k] for m in moved]) for k in params}
    values = np.asarray(jax.jit(jax.vmap(loss))(batch)).reshape(-1, 2)
    numeric = dict(zip(params, (values[:, 0] - values[:, 1]) / (2 * h), strict=True))
    gradient = jax.jit(jax.grad(loss))(params)
    return {k: float(jnp.vdot(gradient[k], way[k])) for k in params}, numeric


def compare(loss: Callable[[Params], jax.Array], params: Params, rel: float = 1e-5) -> Params:
    found, numeric = slopes(loss, params)
    largest = max(abs(x) for x in numeric.values())
    for path, x in numeric.items():
        assert found[path] == pytest.approx(x, rel=rel, abs=1e-8 * largest), path
    return found


def test_gradients_of_a_ring_of_spiking_cells():
    """Through thresholds, delays, weights, channels and synapses, all around the ring."""
    times = jnp.array([0.513, 2.002])

    def loss(params):
        model = ring().replace({k: v for k, v in params.items() if k != "times"})
        v = cx.simulate(model, 13.0, 0.05, [cx.Spikes("s", params["times"])])["c"]
        return jnp.mean((v / 50) ** 2 * jnp.array([[1.0, 0.7, 0.4]]))

    found = compare(loss, {**ring().params, "times": times})
    for path in ("times", "c->c.expsyn.delay", "c->c.expsyn.weight", "c->c.expsyn.threshold", "c.all.hh.gna"):
        assert abs(found[path]) > 1e-4, path
    for path in ("c->c.expsyn.tau", "s->c.shortterm.delay", "s->c.shortterm.u0", "c->c.expsyn.stdp.a_plus"):
        assert abs(found[path]) > 1e-7, path


@pytest.mark.parametrize("per_edge", [pytest.param(False, marks=pytest.mark.slow), True])
def test_gradients_of_a_sparse_projection(per_edge):
    wide = (lambda x: cx.each("edge", x)) if per_edge else (lambda x: x)
    net = cx.Network().add("s", cx.SpikeSource(), 3).add("b", point(), 2)
    synapse = AMPA(rise=wide(0.3), decay=wide(2.0), e=wide(-10.0))
    pairs = cx.edges([[0, 1], [2, 0], [1, 1], [1, 0]])
    model = net.connect("s", "b", synapse, pairs, weight=wide(2e-3), delay=wide(1.013)).discretize(
        cx.PerBranch(1)
    )
    times = jnp.array([[0.517, 1.811], [0.733, 2.017], [1.234, 1.432]])

    def loss(params):
        m = model.replace({k: v for k, v in params.items() if k != "times"})
        v = cx.simulate(m, 6.0, 0.05, [cx.Spikes("s", params["times"])])["b"]
        return jnp.mean((v + 60.0) ** 2 * jnp.array([[1.0, 0.6]]))

    found = compare(loss, {**model.params, "times": times}, rel=1e-6)
    assert all(abs(x) > 1e-4 for k, x in found.items() if "->" in k or k == "times"), found


@pytest.mark.slow
def test_spike_time_has_a_gradient():
    """The time at which the third cell of the ring fires, by each delay and weight on the way."""

    def last(params):
        v = cx.simulate(ring().replace(params), 13.0, 0.05, [KICK])["c"][:, 2]
        k = jnp.argmax((v[:-1] < -20) & (v[1:] >= -20))
        return 0.05 * (k + (-20 - v[k]) / (v[k + 1] - v[k]))

    names = ("c->c.expsyn.delay", "c->c.expsyn.weight", "s->c.shortterm.delay")
    params = {k: ring().params[k] for k in names}
    slope = jax.jit(jax.grad(last))(params)
    delays, weight, kick = (np.asarray(slope[k]) for k in names)
    # A delay moves the spike by itself, but for the grid on which the cells are solved; the last one not at all.
    np.testing.assert_allclose(delays, [1.0, 1.0, 0.0], atol=0.1)
    assert float(kick) == pytest.approx(1.0, abs=0.1) and weight.sum() < 0
    h = 1e-6
    for k, x in params.items():
        a, b = (float(last(params | {k: x * (1 + s * h)})) for s in (1, -1))
        assert float(np.vdot(slope[k], x)) == pytest.approx((a - b) / (2 * h), rel=1e-5)


@pytest.mark.slow
def test_forward_and_reverse_mode_agree():
    weight = ring().params["c->c.expsyn.weight"]
    delay = ring().params["c->c.expsyn.delay"]

    def end(w, d):
        m = ring().replace({"c->c.expsyn.weight": w, "c->c.expsyn.delay": d})
        return cx.simulate(m, 12.0, 0.05, [KICK])["c"][-1, 2]

    _, forward = jax.jvp(end, (weight, delay), (0.3 * weight, delay))
    a, b = jax.grad(end, (0, 1))(weight, delay)
    assert forward == pytest.approx(float(jnp.vdot(a, 0.3 * weight) + jnp.vdot(b, delay)), rel=1e-10)


def test_vmap_over_weights_and_delays_is_a_loop():
    weights, delays = jnp.array([0.5e-3, 1e-3, 2e-3]), jnp.array([0.5, 1.0, 1.513])
    model = driven(ExpSyn(), delay=1.0)

    @jax.jit
    def run(w, d):
        m = model.replace({"s->b.expsyn.weight": w, "s->b.expsyn.delay": d})
        return cx.simulate(m, 5.0, 0.05, [cx.Spikes("s", [1.0, 2.02])])["b"]

    many = jax.vmap(run)(weights, delays)
    for k in range(3):
        np.testing.assert_array_equal(many[k], run(weights[k], delays[k]))


def test_single_precision_is_close_to_double():
    model = ring()
    a = cx.simulate(model, 12.0, 0.05, [KICK])["c"]
    b = cx.simulate(single(model), 12.0, 0.05, [cx.Spikes("s", jnp.array([0.513, 2.002], jnp.float32))])["c"]
    assert b.dtype == jnp.float32
    assert float(jnp.sqrt(jnp.mean((a - b) ** 2))) < 0.05
    assert float(jnp.abs(a[-1] - b[-1]).max()) < 0.5


@pytest.mark.parametrize("shape", [FastSigmoid(5.0)])
def test_a_surrogate_leaves_the_run_alone_and_gives_silence_a_gradient(shape):
    """A cell just below its threshold: the run is the same to the bit, but the one behind it learns of the weight."""

    def build(surrogate):
        net = cx.Network().add("s", cx.SpikeSource(), 1).add("a", point(), 1).add("b", point(), 1)
        net = net.connect("s", "a", ExpSyn(), weight=0.01, delay=1.0, surrogate=surrogate)
        options: Any = {"threshold": -55.0, "surrogate": surrogate}
        return net.connect("a", "b", ExpSyn(), weight=0.01, delay=2.0, **options).discretize(cx.PerBranch(1))

    def loss(w, model):
        m = model.replace({"s->a.expsyn.weight": w})
        return jnp.mean((cx.simulate(m, 15.0, 0.05, [cx.Spikes("s", [1.0])])["b"] + 40.0) ** 2)

    plain, soft = build(None), build(shape)
    spike = [cx.Spikes("s", [1.0])]
    for w, fires in ((0.002, False), (0.02, True)):
        runs = [cx.simulate(m.replace({"s->a.expsyn.weight": w}), 15.0, 0.05, spike) for m in (plain, soft)]
        np.testing.assert_array_equal(runs[0]["b"], runs[1]["b"])
        assert (float(runs[0]["b"].max()) > -64.9) == fires
    assert float(jax.grad(loss)(0.002, plain)) == 0.0
    # A stronger synapse would have let "a" spike, and "b" come closer to −40 mV.
    assert float(jax.grad(loss)(0.002, soft)) < -1.0


def test_a_delay_below_the_step_is_refused():
    model = driven(ExpSyn(), delay=0.1)
    run = lambda dt: cx.simulate(model, 1.0, dt)  # noqa: E731
    raises(lambda: run(0.2), "s->b.expsyn.delay", "0.1 ms", "dt = 0.2", kind=ProtocolError)
    assert bool(run(0.1).finite)
    wide = driven(ExpSyn(), 2, delay=cx.each("edge", [1.0, 0.05]))
    raises(lambda: cx.simulate(wide, 1.0, 0.1), "0.05 ms", kind=ProtocolError)
    raises(lambda: driven(ExpSyn(), delay=-1.0), "delay")


def ring_of_two(**options):
    """Two sources, each to the other cell, by edges that are not in the order of their sites."""
    point = cx.Cell(cx.cylinder(20.0, 20.0)).paint("all", leak=Leak())
    net = cx.Network().add("s", cx.SpikeSource(), 2).add("p", point, 2)
    rule = cx.edges([[0, 1], [1, 0]])
    return net.connect("s", "p", ExpSyn(), rule=rule, weight=1e-3, **options).discretize(cx.PerBranch(1))


def test_states_of_cells_and_of_edges_are_recorded_in_their_own_order():
    first = [cx.Spikes("s", [[1.0], [np.inf]])]
    for options in ({}, {"delay": cx.each("edge", np.array([1.0, 1.0]))}):
        sol = cx.simulate(ring_of_two(**options), 4.0, 0.05, first, {"g": "s->p.expsyn.g", "v": "p"})
        g, v = np.asarray(sol["g"][-1]), np.asarray(sol["v"][-1])
        assert g[0] > 0.1 and g[1] == 0.0, options  # source 0, or edge 0 as it was written
        assert v[1] > v[0] + 0.1


@pytest.mark.parametrize(("at", "restart", "steps"), [(0.01, 0.95, (0.025, 0.1)), (0.06, 1.1, (0.1, 0.025))])
def test_a_spike_arrives_once_where_the_step_changes_on_its_way(at, restart, steps):
    model, inputs = ring_of_two(), [cx.Spikes("s", [[at], [np.inf]])]
    record = {"g": "s->p.expsyn.g"}
    first = cx.simulate(model, restart, steps[0], inputs, record)
    rest = cx.simulate(model, 2.0, steps[1], inputs, record, state=first.state, continued=True)
    g = float(rest["g"][-1, 0])
    assert g == pytest.approx(np.exp(-(restart + 2.0 - at - 1.0) / 2.0), rel=0.06)
