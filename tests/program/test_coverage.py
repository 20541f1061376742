"""What compiled programs cover: each kind of mechanism runs natively, with the values and gradients of JAX's scan."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax import mech
from cajax.base.kinks import ramp
from cajax.engine.joined import solve_joined
from cajax.engine.links import Link
from cajax.engine.sites import Sites
from cajax.program import run as runs
from cajax.program.executor import missing, unsupported
from cajax.program.loop import made
from cajax.program.nodes import UnsupportedError
from cajax.program.primitive import run
from cajax.solve import Index, due, spread, take
from cajax.solve.due import MOST_SLOTS

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))
RNG = np.random.default_rng(0)


def both(step: Callable[[Any], tuple[Any, Any]], carry: Any, n: int = 4) -> tuple[Any, Any]:
    """Return what a loop gives natively and by a scan, and its gradients by all floats of the carry."""

    def native(carry: Any) -> Any:
        loop, operands, results = made(step, carry, n, 1, ())
        assert unsupported(loop) is None
        return results(run(loop, operands))

    def scanned(carry: Any) -> Any:
        return jax.lax.scan(lambda c, _: step(c), carry, None, length=n)

    def all_of(fn: Callable[[Any], Any]) -> Any:
        leaves, tree = jax.tree.flatten(carry)
        moving = [i for i, x in enumerate(leaves) if jnp.issubdtype(x.dtype, jnp.floating)]

        def loss(xs: list[Any]) -> Any:
            given = list(leaves)
            for i, x in zip(moving, xs, strict=True):
                given[i] = x
            found = fn(jax.tree.unflatten(tree, given))
            floats = [x for x in jax.tree.leaves(found) if jnp.issubdtype(x.dtype, jnp.floating)]
            return sum((jnp.sum(jnp.sin(x)) for x in floats), jnp.zeros(())), found

        gradient, found = jax.jit(jax.grad(loss, has_aux=True))([leaves[i] for i in moving])
        words = lambda x: jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x  # noqa: E731
        return jax.tree.map(words, (found, gradient))

    return all_of(native), all_of(scanned)


def alike(step: Callable[[Any], tuple[Any, Any]], carry: Any, n: int = 4) -> None:
    """Assert that a loop is the same natively."""
    native, scanned = both(step, carry, n)
    for x, y in zip(jax.tree.leaves(native), jax.tree.leaves(scanned), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-13)


# Keys


@pytest.mark.parametrize("draw", ("bits", "uniform", "normal", "split"))
def test_random_numbers_are_those_of_jax(draw):
    key = jax.random.key(7)

    def step(n):
        own = jax.random.fold_in(key, n)
        drawn = {
            "bits": lambda: jax.random.bits(own, (5,), np.uint32),
            "uniform": lambda: jax.random.uniform(own, (2, 3)),
            "normal": lambda: jax.random.normal(own, (9,)).astype(jnp.float32),
            "split": lambda: jax.vmap(lambda k: jax.random.uniform(k, (2,)))(jax.random.split(own, 3)),
        }[draw]()
        return n + 1, drawn

    (native, _), (scanned, _) = both(step, jnp.asarray(3))
    compare = np.testing.assert_allclose if draw == "normal" else np.testing.assert_array_equal
    compare(native[1], scanned[1])


def test_a_key_is_carried():
    def step(key):
        key, own = jax.random.split(key)
        return key, jax.random.bits(own, (3,), np.uint32)

    ((key, drawn), _), ((key_of_scan, drawn_by_scan), _) = both(step, jax.random.key(11))
    np.testing.assert_array_equal(key, key_of_scan)
    np.testing.assert_array_equal(drawn, drawn_by_scan)


def test_keys_of_another_generator_are_not_compiled():
    key = jax.random.key(0, impl="rbg")
    with pytest.raises(UnsupportedError, match="generator"):
        made(lambda n: (n + 1, jax.random.uniform(jax.random.fold_in(key, n))), jnp.asarray(0), 2, 1, ())


# Arrivals, entries, links


def arrivals(slots: int) -> Any:
    pre = RNG.integers(0, 3, 7).astype(np.int32)
    delay = jnp.asarray(RNG.uniform(0.1, 0.6, 7))

    def step(state):
        age, count = state["age"], state["count"]
        first, second = due(age, age - 0.1, count != 0.0, delay, 0.1, pre)
        read = jnp.where(first >= 0, age.ravel()[jnp.maximum(first, 0) * 3 + pre], 0.0)
        return {"age": age + 0.1, "count": count}, (first, second, read)

    state = {"age": jnp.asarray(RNG.uniform(-0.1, 0.5, (slots, 3))), "count": jnp.ones((slots, 3))}
    return step, state


@pytest.mark.parametrize("slots", (1, 4, MOST_SLOTS + 1))
def test_arrivals(slots):
    alike(*arrivals(slots), n=6)


def test_arrivals_of_a_batch_have_those_of_its_elements():
    step, state = arrivals(3)
    many = {k: jnp.stack([x, x + 0.05, x - 0.03]) for k, x in state.items()}

    def native(state):
        loop, operands, results = made(step, state, 5, 1, ())
        return results(run(loop, operands))[1]

    found = jax.vmap(native)(many)
    for i in range(3):
        alone = native({k: x[i] for k, x in many.items()})
        jax.tree.map(lambda x, y, i=i: np.testing.assert_array_equal(x[i], y), found, alone)


def test_entries_are_taken_and_spread_in_rows():
    index = Index([4, 0, 0], 5)

    def step(x):
        some = jax.vmap(lambda row: take(row, index))(x)
        return 0.5 * x + jax.vmap(lambda row: spread(row, index))(jnp.sin(some)), some

    alike(step, jnp.asarray(RNG.normal(size=(2, 5))))


def joined_cells() -> Any:
    model = cx.Cell(cx.ball_and_stick(8.0, 120.0, 1.0, 0.5)).discretize(cx.PerBranch(3))
    forest = model.structure.forest
    n = model.structure.size
    return forest, n


def test_the_solve_with_gap_junctions():
    forest, n = joined_cells()
    ends = [Sites(np.array(x), n) for x in ([0, 1], [n - 1, 2])]
    edges = sum(t.n_nodes * t.lanes for t in forest)

    def step(state):
        v, g, w = state
        solved = solve_joined(forest, 1.0 + 0.01 * v**2, g, v, [Link(w, *ends)])
        return (solved, g, w), solved

    alike(
        step,
        (jnp.asarray(RNG.normal(size=n)), jnp.asarray(RNG.uniform(0.5, 2.0, edges)), jnp.array([0.3, 0.7])),
    )


# Derivatives, whole numbers, broadcasts


def test_derivatives_are_those_that_were_given():
    def step(x):
        y = ramp(x) + x * jax.lax.stop_gradient(jnp.cos(x))
        return 0.9 * x + 0.1 * y, y

    alike(step, jnp.asarray(RNG.uniform(-0.5, 1.5, 6)))


@pytest.mark.parametrize("dtype", (np.int32, np.int64))
def test_whole_numbers_add_up_and_divide(dtype):
    divisors = jnp.asarray(np.array([-1, 0, 2, 3]).astype(dtype))

    def step(n):
        x = jnp.arange(4, dtype=dtype) - n
        return n + 1, (jnp.sum(x), jnp.max(x), jax.lax.div(x, divisors), jax.lax.rem(x, divisors))

    alike(step, jnp.asarray(dtype(2)))


def test_axes_of_length_one_are_repeated():
    def step(x):
        outer = x[:, None] * jnp.sin(x)[None]
        return 0.1 * jnp.sum(outer, 1), outer

    alike(step, jnp.asarray(RNG.normal(size=3)))


def test_a_waveform_is_sampled_at_places_that_change():
    wave = jnp.asarray(RNG.normal(size=(6, 2)))

    def step(state):
        t, x = state
        i = jnp.clip(jnp.floor(t).astype(int), 0, 5)
        here = jax.lax.dynamic_index_in_dim(wave, i, keepdims=False) * x
        return (t + 0.8, x + 0.1 * here), here

    alike(step, (jnp.asarray(0.3), jnp.ones(2)), n=8)


# Mechanisms


def point(**options: Any) -> cx.Cell:
    return cx.Cell(cx.cylinder(20.0, 10.0), **options)


def single(*channels: Any, **paints: Any) -> Any:
    return (
        point(v0=-68.0)
        .paint("all", **{f"x{k}": x for k, x in enumerate(channels)}, **paints)
        .discretize(cx.PerBranch(1))
    )


def net(synapse: Any, post: cx.Cell | None = None, **options: Any) -> Any:
    post = post or point(v0=-65.0).paint("all", hh=mech.HH())
    found = cx.Network().add("in", cx.SpikeSource(), 2).add("cell", post, 2)
    return found.connect("in", "cell", synapse, weight=options.pop("weight", 5e-3), **options).discretize(
        cx.PerBranch(1)
    )


def given() -> list[Any]:
    return [cx.Spikes("in", [[0.06, 0.4], [0.22]])]


def poisson() -> list[Any]:
    return [cx.Poisson("in", 900.0, jax.random.key(2))]


def gaps() -> Any:
    cell = point(v0=-65.0).paint("all", hh=mech.HH())
    found = cx.Network().add("cell", cell, 3)
    return found.connect(
        "cell", "cell", mech.GapJunction(), cx.edges([[0, 1], [1, 2]]), weight=2e-3
    ).discretize(cx.PerBranch(1))


def step_in(at: str = "soma") -> list[Any]:
    return [cx.IClamp(at, delay=0.11, dur=5.0, amp=0.2)]


def ball(**paints: Any) -> Any:
    cell = cx.Cell(cx.ball_and_stick(8.0, 120.0, 1.0, 0.5), v0=-70.0, temperature=36.0)
    return cell.paint("all", leak=mech.Leak(), **paints).discretize(cx.PerBranch(2))


def noise() -> list[Any]:
    return [cx.Noise("soma", 0.05, 0.02, 2.0, jax.random.key(5))]


def waves() -> list[Any]:
    return [
        cx.Current("soma", np.sin(np.arange(6.0)), dt=0.1),
        cx.Conductance("soma", np.linspace(0, 2e-3, 6), dt=0.1, e=-80.0),
    ]


def clamped() -> list[Any]:
    return [cx.VClamp("soma", amps=[-70.0, -10.0], durs=[0.2, 1.0])]


PLASTIC = mech.STDP(a_plus=0.05, a_minus=0.04)
KINDS: dict[str, tuple[Callable[[], Any], Callable[[], list[Any]]]] = {
    "channels": (lambda: single(mech.HH(), mech.Km(), mech.CaL()), step_in),
    "fixed and diffusing ions": (lambda: ball(na=mech.Diffusive(12.0, tau=100.0), k=mech.Fixed(140.0, 4.0)), step_in),
    "shells of calcium": (lambda: ball(ca=mech.Shells(shells=2, vmax=1e-3, species="ca")), step_in),
    "noise": (lambda: single(mech.HH()), noise),
    "waveforms": (lambda: single(mech.HH()), waves),
    "given spikes": (lambda: net(mech.ExpSyn()), given),
    "Poisson spikes": (lambda: net(mech.ExpSyn()), poisson),
    "delays per edge": (lambda: net(mech.AMPA(), delay=[[0.1, 0.2], [0.15, 0.3]]), given),
    "short-term plasticity": (lambda: net(mech.ShortTerm()), given),
    "plastic synapses": (lambda: net(mech.ExpSyn(), plasticity=PLASTIC), given),
    "surrogates": (lambda: net(mech.ExpSyn(), surrogate=mech.FastSigmoid(8.0)), given),
    "integrate and fire": (lambda: net(mech.ExpSyn(), point(v0=-70.0).paint("all", x=mech.LIF())), given),
    "adaptive": (lambda: net(mech.ExpSyn(), point(v0=-70.6).paint("all", x=mech.AdEx())), given),
    "Izhikevich": (lambda: net(mech.ExpSyn(), point(v0=-65.0).paint("all", x=mech.Izhikevich())), given),
    "gap junctions": (gaps, lambda: step_in("cell")),
}  # fmt: skip


def simulated(kind: str, backend: str) -> Callable[[dict[str, Any]], Any]:
    model, inputs = (of() for of in KINDS[kind])

    def loss(params: dict[str, Any]) -> Any:
        found = cx.simulate(model.replace(params), 0.6, 0.05, inputs, backend=backend, throw=False)
        return sum(jnp.mean(x**2) for x in jax.tree.leaves(found.records)), found.records

    loss.params = {k: x for k, x in model.params.items() if jnp.issubdtype(x.dtype, jnp.floating)}  # pyright: ignore
    return loss


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_mechanism_runs_natively_as_by_the_scan(kind, monkeypatch):
    asked = []
    monkeypatch.setattr(runs, "unsupported", lambda loop: asked.append(unsupported(loop)) or asked[-1])
    found = {}
    for backend in ("native", "xla"):
        loss = simulated(kind, backend)
        found[backend] = jax.jit(jax.value_and_grad(loss, has_aux=True))(loss.params)  # pyright: ignore
    assert asked == [None] * len(asked) and asked
    ((_, records), gradient), ((_, records_of_scan), gradient_of_scan) = found["native"], found["xla"]
    for x, y in zip(jax.tree.leaves(records), jax.tree.leaves(records_of_scan), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-10)
    scale = {k: np.where(x == 0, 1.0, np.abs(x)) for k, x in loss.params.items()}  # pyright: ignore
    most = max(float(np.max(np.abs(gradient_of_scan[k]) * scale[k])) for k in scale)
    for k in scale:
        np.testing.assert_allclose(
            gradient[k] * scale[k], gradient_of_scan[k] * scale[k], rtol=1e-8, atol=1e-10 * most, err_msg=k
        )
