"""Plasticity: the windows, bounds and rates that the papers draw, seen through whole runs of spike pairs."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import LIF, STDP, ExpSyn, Leak, Plasticity, RewardSTDP, TripletSTDP

from ..helpers import raises

WEIGHT = 1e-9  # far too weak to drive anything: the spikes of both sides are given
DT = 0.1
DELAY = 1.0


def paired(rule: Plasticity, n: int, **options: Any) -> cx.Model:
    """`n` sources "s", each on its own of `n` cells "b", which "kick" makes spike 1 ms and a bit after it fires."""
    cell = cx.Cell(cx.cylinder(20.0, 10.0), v0=-70.0).paint("all", lif=LIF(refractory=1.0))
    net = cx.Network().add("s", cx.SpikeSource(), n).add("kick", cx.SpikeSource(), n).add("b", cell, n)
    one = cx.one_to_one()
    net = net.connect(
        "s", "b", ExpSyn(), one, weight=WEIGHT, delay=DELAY, plasticity=rule, in_flight=20, **options
    )
    return net.connect("kick", "b", ExpSyn(tau=0.2), one, weight=0.1, delay=1.0).discretize(cx.PerBranch(1))


def weights(model: cx.Model, pre: Any, post: Any, t1: float, rewards: tuple = ()) -> jax.Array:
    """The weights over time, in units of their start, for given spike times of both sides [cell, spike]."""
    inputs = [cx.Spikes("s", pre), cx.Spikes("kick", post), *rewards]
    return cx.simulate(model, t1, DT, inputs, {"w": "s->b.expsyn.w"})["w"] / WEIGHT


def gaps_seen(
    model: cx.Model, pre: Any, post: Any, tau: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return how long after the arrival of its presynaptic spike each cell spiked, off the traces, and the weights."""
    record = {k: f"s->b.expsyn.{k}" for k in "xyw"}
    sol = cx.simulate(model, 150.0, DT, [cx.Spikes("s", pre), cx.Spikes("kick", post)], record)
    x, y, w = (np.asarray(sol[k][-1]) for k in "xyw")
    return tau[1] * np.log(y) - tau[0] * np.log(x), w / WEIGHT


LAG = 0.03  # ms from the arrival of a kick to the spike, about


GAPS = np.array([-60.0, -30.0, -12.0, -5.0, -2.0, -1.0, 1.0, 2.0, 5.0, 12.0, 30.0, 60.0])


def test_window_of_pairs():
    """Potentiation for pre before post, depression for post before pre, both exponential, soft at both bounds."""
    rule = STDP(a_plus=0.1, a_minus=0.06, tau_plus=10.0, tau_minus=25.0, wmax=3.0)
    model = paired(rule, len(GAPS))
    pre = np.full((len(GAPS), 1), 70.0)
    gaps, found = gaps_seen(model, pre, pre + GAPS[:, None] - LAG, (10.0, 25.0))
    np.testing.assert_allclose(gaps, GAPS, atol=0.1)
    up, down = 0.1 * (3.0 - 1.0) * np.exp(-gaps / 10.0), -0.06 * np.exp(gaps / 25.0)
    np.testing.assert_allclose(found - 1.0, np.where(gaps > 0, up, down), rtol=1e-9)


def test_pairs_within_one_step_keep_their_order():
    model = paired(STDP(a_plus=0.1, a_minus=0.1, wmax=2.0), 16)
    pre = np.full((16, 1), 20.047)
    gaps, found = gaps_seen(model, pre, pre - LAG + np.linspace(-0.1, 0.1, 16)[:, None], (20.0, 20.0))
    assert (gaps > 1e-3).sum() > 3 and (gaps < -1e-3).sum() > 3
    np.testing.assert_allclose(found - 1.0, 0.1 * np.sign(gaps) * np.exp(-np.abs(gaps) / 20.0), rtol=1e-9)


def test_bounds_are_soft():
    n = 200
    times = 10.0 + 2.5 * np.arange(n)
    pairs = np.stack([times, times])
    model = paired(STDP(a_plus=0.2, a_minus=0.0, wmax=1.5), 2)
    up = np.asarray(weights(model, pairs, pairs + 0.7, 520.0))
    assert up.max() < 1.5 + 1e-12 and up[-1].min() > 1.49 and (np.diff(up, axis=0) >= -1e-12).all()
    model = paired(STDP(a_plus=0.0, a_minus=0.2), 2)
    down = np.asarray(weights(model, pairs, pairs + 0.7, 520.0))
    assert down.min() >= 0.0 and down[-1].max() < 0.01


def test_triplets_potentiate_fast_pairings_and_depress_slow_ones():
    """Pre and post 10 ms apart, 15 pairs: the sign of the change goes with the rate (Sjöström et al. 2001)."""
    rates = np.array([5.0, 10.0, 20.0, 50.0])
    pre = 20.0 + np.arange(15) * 1000.0 / rates[:, None]
    model = paired(TripletSTDP(a2_minus=7.1e-3, a3_plus=6.5e-3), len(rates))
    for gap in (10.0, -10.0):
        end = np.asarray(weights(model, pre, pre + gap, 700.0)[-1]) - 1.0
        per_pair = end / (pre < 680.0).sum(axis=1)
        assert per_pair[-1] > 3e-3 and per_pair[-1] > per_pair[:3].max() + 1e-3, per_pair
        if gap < 0:
            assert (per_pair[:3] < 0).all(), per_pair


def test_triplet_rule_is_its_recursion():
    rule = TripletSTDP(a2_minus=0.02, a3_plus=0.05)
    model = paired(rule, 1)
    pre = np.array([10.0, 33.0, 41.0, 70.0])
    post = np.array([15.0, 29.0, 45.0, 52.0, 77.0])
    found = float(weights(model, pre[None], (post + DELAY - LAG - 1.0)[None], 100.0)[-1, 0])
    w, r, o1, o2, now = 1.0, 0.0, 0.0, 0.0, 0.0
    for t, is_pre in sorted([(t, True) for t in pre + DELAY] + [(t, False) for t in post + DELAY]):
        r, o1, o2 = (x * np.exp(-(t - now) / tau) for x, tau in ((r, 16.8), (o1, 33.7), (o2, 114.0)))
        now = t
        if is_pre:
            w -= 0.02 * w * o1
            r += 1
        else:
            w += 0.05 * (2.0 - w) * r * o2
            o1, o2 = o1 + 1, o2 + 1
    assert found == pytest.approx(w, rel=3e-3)


def test_reward_decides_over_what_was_tagged():
    rule = RewardSTDP(a_plus=0.1, a_minus=0.1, rate=0.05, tau_tag=50.0)
    model = paired(rule, 2)
    pre, post = np.array([[20.0], [20.0]]), np.array([[24.0], [16.0]])  # causal, acausal
    run = lambda *rewards: np.asarray(weights(model, pre, post, 80.0, rewards))  # noqa: E731
    np.testing.assert_allclose(run(), 1.0, rtol=1e-14)
    good = run(cx.Reward("s->b.expsyn", [0.0, 0.0, 1.0, 1.0], 10.0))
    bad = run(cx.Reward("s->b.expsyn", [0.0, 0.0, -1.0, -1.0], 10.0))
    assert good[-1, 0] > 1.01 and good[-1, 1] < 0.99
    assert bad[-1, 0] < 0.99 and bad[-1, 1] > 1.01
    early = run(cx.Reward("s->b.expsyn", [1.0, 1.0, 0.0, 0.0], 5.0))
    np.testing.assert_allclose(early[-1], 1.0, rtol=1e-14)  # nothing was tagged yet
    # The weight grows by the reward times the tag's integral.
    change = 0.1 * np.exp(-(24.0 + 1.0 - 21.0) / 20.0) * 0.05 * 50.0
    held = run(cx.Reward("s->b.expsyn", [1.0], 10.0))
    assert held[-1, 0] - 1 == pytest.approx(change * (1 - np.exp(-(80 - 25.0) / 50.0)), rel=0.05)
    twice = run(cx.Reward("s->b.expsyn", [0.5], 10.0), cx.Reward("s->b.expsyn", [0.5], 10.0))
    np.testing.assert_allclose(twice, held, rtol=1e-12)  # rewards add


def test_reward_bounds_the_weight():
    model = paired(RewardSTDP(a_plus=1.0, a_minus=1.0, rate=10.0, wmax=1.2), 2)
    pre, post = np.array([[20.0], [20.0]]), np.array([[24.0], [16.0]])
    end = np.asarray(weights(model, pre, post, 60.0, (cx.Reward("s->b.expsyn", [1.0], 1.0),))[-1])
    np.testing.assert_allclose(end, [1.2, 0.0])


def test_rewards_go_to_plastic_projections_only():
    model = paired(STDP(), 1)
    run = lambda at: cx.simulate(model, 1.0, DT, [cx.Reward(at, [1.0], 1.0)])  # noqa: E731
    raises(lambda: run("kick->b.expsyn"), "plastic projection", "s->b.expsyn")
    raises(lambda: run("s->b.expsin"), "s->b.expsyn")
    raises(lambda: cx.Reward("s->b.expsyn", 1.0, 1.0), "Reward")
    raises(lambda: cx.Reward("s->b.expsyn", [1.0], 0.0), "Reward dt")


def test_weights_go_on_through_the_state():
    model = paired(STDP(a_plus=0.1), 2)
    pre = np.array([[5.0, 25.0], [9.0, 29.0]])
    whole = weights(model, pre, pre + 2.0, 40.0)
    inputs = [cx.Spikes("s", pre), cx.Spikes("kick", pre + 2.0)]
    half = cx.simulate(model, 20.0, DT, inputs)
    rest = (
        cx.simulate(model, 20.0, DT, inputs, {"w": "s->b.expsyn.w"}, state=half.state, continued=True)["w"]
        / WEIGHT
    )
    np.testing.assert_array_equal(whole[200:], rest)
    assert (np.asarray(rest[-1]) != np.asarray(rest[0])).all()


@pytest.mark.parametrize(
    "rule",
    [
        STDP(a_plus=0.1, a_minus=0.07),
        pytest.param(TripletSTDP(a2_minus=0.05, a3_plus=0.04), marks=pytest.mark.slow),
        pytest.param(RewardSTDP(a_plus=0.1, rate=0.03), marks=pytest.mark.slow),
    ],
    ids=lambda r: type(r).__name__,
)
def test_rules_are_trainable(rule):
    """Every parameter of a rule has the gradient that central differences see, and so have the spike times."""
    model = paired(rule, 2)
    pre, post = jnp.array([[5.03, 21.02], [9.04, 25.01]]), jnp.array([[8.01, 18.02], [4.03, 30.04]])
    prefix = f"s->b.expsyn.{type(rule).__name__.lower()}"
    params = {k: v for k, v in model.params.items() if k.startswith(prefix)}
    # A weight that moves by a rule that only gates needs a reward.
    reward = (cx.Reward("s->b.expsyn", [1.0, 0.5], 20.0),) if isinstance(rule, RewardSTDP) else ()

    def loss(params):
        w = weights(model.replace(params), pre, post, 35.0, reward)
        return jnp.sum(w[-1] * jnp.array([1.0, 0.3])) + jnp.sum(w[150])

    names = list(params)
    h = 1e-5
    moved = {
        k: jnp.stack([v * (1 + s * h * (k == n)) for n in names for s in (1, -1)]) for k, v in params.items()
    }
    values = np.asarray(jax.jit(jax.vmap(loss))(moved)).reshape(-1, 2)
    gradient = jax.grad(loss)(params)
    for name, (a, b) in zip(names, values, strict=True):
        assert float(gradient[name] * params[name]) == pytest.approx((a - b) / (2 * h), rel=1e-5, abs=1e-9), (
            name
        )
    assert sum(abs(float(g)) > 1e-6 for g in gradient.values()) >= len(names) - 1


def test_plastic_weights_drive_the_current():
    """Twice the weight by learning, twice the conductance: what is recorded as w is what acts."""
    cell = cx.Cell(cx.cylinder(20.0, 10.0), v0=-70.0).paint("all", leak=Leak(g=3e-4, e=-70.0))
    net = cx.Network().add("s", cx.SpikeSource(), 1).add("b", cell, 1)
    net = net.connect("s", "b", ExpSyn(), weight=1e-4, delay=1.0, plasticity=STDP(wmax=10.0))
    model = net.discretize(cx.PerBranch(1))
    first = cx.simulate(model, 5.0, DT)

    def rest(w):
        plastic = {
            k: jnp.full_like(x, w) if k == "w" else x for k, x in first.state.parts[name]["plastic"].items()
        }
        return dataclasses.replace(
            first.state, parts=first.state.parts | {name: first.state.parts[name] | {"plastic": plastic}}
        )

    spike, name = [cx.Spikes("s", [1.0])], "s->b.expsyn"
    peak = lambda w: float(cx.simulate(model, 10.0, DT, spike, state=rest(w))["b"].max() + 70.0)  # noqa: E731
    assert peak(0.0) == pytest.approx(0.0, abs=1e-9)
    assert peak(2.0) == pytest.approx(2 * peak(1.0), rel=0.02)


def test_options_of_plasticity():
    source = cx.Network().add("s", cx.SpikeSource(), 2).add("b", cx.Cell(cx.cylinder(20.0, 10.0)), 2)
    raises(lambda: source.connect("s", "b", ExpSyn(), plasticity=STDP), "plasticity")  # pyright: ignore
    raises(lambda: source.connect("s", "b", ExpSyn(), plasticity=STDP(a_plus=-1.0)), "a_plus")
    each = cx.each("edge", 0.01)
    wide = source.connect("s", "b", ExpSyn(), plasticity=STDP(a_plus=each))
    raises(lambda: wide.discretize(cx.PerBranch(1)), "stdp", "single numbers")
