"""Gap junctions: the solve against dense linear algebra, symmetry, limits and derivatives."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.base.errors import ParameterError
from cajax.engine.joined import conjugate_gradients
from cajax.mech import HH, ExpSyn, GapJunction, Leak

from ..helpers import raises

G, E, DT = 3e-4, -65.0, 0.1
PATH = "a->b.gapjunction.weight"


def passive(radius: float = 10.0, v0: float = E) -> cx.Cell:
    return cx.Cell(cx.cylinder(20.0, radius), v0=v0).paint("all", leak=Leak(g=G, e=E))


@cache
def pair(weight: float = 2e-3) -> cx.Model:
    """Two cylinders of different size, joined."""
    net = cx.Network().add("a", passive(), 1).add("b", passive(5.0), 1)
    return net.connect("a", "b", GapJunction(), weight=weight).discretize(cx.PerBranch(1))


CLAMP = cx.IClamp("a", 0.0, 1e3, 0.05)


def dense(model: cx.Model, junctions: list, current: np.ndarray, n: int, theta: float) -> np.ndarray:
    """Voltages `[step, cv]` of point cells with junctions (a, b, g), by NumPy."""
    area = np.asarray(model.area)
    c, g = 1e-5 * area, np.diag(1e-2 * G * area)
    for a, b, x in junctions:
        for i, j in ((a, b), (b, a)):
            g[i, i] += x
            g[i, j] -= x
    leak = 1e-2 * G * area * E
    left, v, out = np.diag(c / (theta * DT)) + g, np.full(len(area), E), []
    for _ in range(n + 1):
        out.append(v)
        star = np.linalg.solve(left, c / (theta * DT) * v + leak + current)
        v = v + (star - v) / theta
    return np.array(out)


@pytest.mark.parametrize(("method", "theta"), [(cx.BackwardEuler(), 1.0), (cx.Staggered(), 0.5)])
@pytest.mark.parametrize("weight", [0.0, 1e-5, 2e-3, 1.0])
def test_two_cells_are_the_dense_solution(weight, method, theta):
    model = pair().replace({PATH: weight})
    sol = cx.simulate(model, 10.0, DT, [CLAMP], method=method)
    truth = dense(model, [(0, 1, weight)], np.array([0.05, 0.0]), 100, theta)
    np.testing.assert_allclose(np.concatenate([sol["a"], sol["b"]], axis=1), truth, rtol=1e-10)


def test_what_leaves_one_cell_enters_the_other():
    """Charge: without leak the sum of C v is what was injected, and the difference dies out."""
    model = pair(5e-3).replace({"a.all.leak.g": 0.0, "b.all.leak.g": 0.0})
    v = cx.simulate(model, 20.0, DT, [cx.IClamp("a", 0.0, 5.0, 0.05)])
    c = 1e-5 * np.asarray(model.area)
    charge = c[0] * (np.asarray(v["a"])[:, 0] - E) + c[1] * (np.asarray(v["b"])[:, 0] - E)
    t = np.asarray(v.ts)
    np.testing.assert_allclose(charge, 0.05 * np.minimum(t, 5.0), atol=1e-12)
    assert abs(float(v["a"][-1, 0] - v["b"][-1, 0])) < 1e-2


def test_a_very_large_conductance_makes_one_cell_of_two():
    v = cx.simulate(pair().replace({PATH: 1e3}), 30.0, DT, [CLAMP])
    assert float(jnp.abs(v["a"] - v["b"]).max()) < 1e-3
    area = float(pair().area.sum())
    assert float(v["a"][-1, 0]) == pytest.approx(E + 0.05 / (1e-2 * G * area), abs=0.01)


def ring(n: int = 10) -> cx.Model:
    """A ring of cells of one CV, a conductance for each junction."""
    pairs = cx.edges([[i, (i + 1) % n] for i in range(n)])
    weight = cx.each("edge", 1e-3 * (1.0 + np.arange(n)))
    net = cx.Network().add("c", passive(), n)
    return net.connect("c", "c", GapJunction(), pairs, weight=weight, name="gap").discretize(cx.PerBranch(1))


@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_a_ring_of_many_junctions_is_the_dense_solution(scale):
    model = ring()
    weight = scale * np.asarray(model.params["c->c.gap.weight"])
    model = model.replace({"c->c.gap.weight": weight})
    clamp = cx.IClamp("c", 0.0, 1e3, 0.02 * jnp.arange(10.0))
    v = cx.simulate(model, 10.0, DT, [clamp])["c"]
    junctions = [(i, (i + 1) % 10, w) for i, w in enumerate(weight)]
    truth = dense(model, junctions, 0.02 * np.arange(10.0), 100, 0.5)
    np.testing.assert_allclose(v, truth, atol=1e-8 * max(1.0, scale**0.5))


def test_a_long_chain_of_strong_junctions_is_the_dense_solution():
    """Far more iterations than fifty junctions, or a hundred, would take: none is dropped."""
    n = 400
    pairs = cx.edges([[i, i + 1] for i in range(n - 1)])
    net = cx.Network().add("c", passive(), n).connect("c", "c", GapJunction(), pairs, weight=3e3)
    model = net.discretize(cx.PerBranch(1))
    current = np.where(np.arange(n) == 0, 1.0, 0.0)
    v = cx.simulate(model, 1.0, DT, [cx.IClamp("c", 0.0, 1e3, current)])["c"]
    truth = dense(model, [(i, i + 1, 3e3) for i in range(n - 1)], current, 10, 0.5)
    np.testing.assert_allclose(v, truth, atol=1e-6)
    assert np.ptp(truth[-1]) > 1e-4


def test_a_solve_that_does_not_converge_is_not_a_number():
    matrix = jnp.diag(jnp.arange(1.0, 31.0))
    solve = lambda most: conjugate_gradients(lambda x: matrix @ x, lambda r: r, jnp.ones(30), most)  # noqa: E731
    np.testing.assert_allclose(solve(40), 1.0 / np.arange(1.0, 31.0), rtol=1e-12)
    assert bool(jnp.isnan(solve(5)).all())
    np.testing.assert_array_equal(conjugate_gradients(lambda x: x, lambda r: r, jnp.zeros(3), 9), 0.0)


def test_the_default_rule_joins_each_pair_of_a_population_once():
    n = 5
    weight = 1e-3 * (1.0 + np.arange(10.0))
    net = cx.Network().add("c", passive(), n).connect("c", "c", GapJunction(), weight=weight)
    model = net.discretize(cx.PerBranch(1))
    clamp = cx.IClamp("c", 0.0, 1e3, 0.02 * jnp.arange(1.0 * n))
    v = cx.simulate(model, 10.0, DT, [clamp])["c"]
    junctions = [(i, j, w) for i, j, w in zip(*np.triu_indices(n, 1), weight, strict=True)]
    np.testing.assert_allclose(v, dense(model, junctions, 0.02 * np.arange(n), 100, 0.5), rtol=1e-10)


@pytest.mark.parametrize("rule", [None, cx.bernoulli(1.0), cx.edges([[0, 1]]), cx.edges([[1, 0]])])
def test_two_cells_of_a_population_settle_where_one_junction_says(rule):
    """The steady state of two leaks joined by 1 nS, one of them driven by 20 pA."""
    cell = cx.Cell(cx.cylinder(20.0, 10.0), v0=-70.0).paint("all", leak=Leak(g=1e-4, e=-70.0))
    net = cx.Network().add("a", cell, 2).connect("a", "a", GapJunction(), rule, weight=1e-3)
    clamp = cx.IClamp("a", 0.0, 400.0, np.array([0.02, 0.0]))
    v = cx.simulate(net.discretize(cx.PerBranch(1)), 400.0, 0.1, [clamp])["a"][-1]
    g = 1e-4 * np.pi * 400 * 1e-2
    truth = -70.0 + np.linalg.solve([[g + 1e-3, -1e-3], [-1e-3, g + 1e-3]], [0.02, 0.0])
    np.testing.assert_allclose(v, truth, atol=1e-9)


def test_junctions_between_unlike_places_of_a_population_are_all_different():
    """From the soma of i to the dendrite of j is another junction than from the soma of j to the dendrite of i."""
    net = cx.Network().add("a", cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak()), 3)
    model = net.connect("a", "a", GapJunction(), at="apical").discretize(cx.PerBranch(1))
    assert len(model.structure.gaps[0].wires.edges) == 6
    model = net.connect("a", "a", GapJunction(), cx.all_to_all(autapses=True), at="apical")
    assert len(model.discretize(cx.PerBranch(1)).structure.gaps[0].wires.edges) == 9


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (cx.edges([[0, 1], [1, 0]]), "cells 0 and 1 in both directions"),
        (cx.edges([[1, 1]]), "cell 1 to itself"),
        (cx.one_to_one(), "cell 0 to itself"),
        (cx.all_to_all(autapses=True), "cell 0 to itself"),
    ],
)
def test_a_junction_twice_or_with_itself_is_refused(rule, says):
    net = cx.Network().add("c", passive(), 3).connect("c", "c", GapJunction(), rule)
    raises(lambda: net.discretize(cx.PerBranch(1)), says, "once", kind=ParameterError)
    whole = cx.Network().add("c", passive(), 3).connect("c", "c", GapJunction(), at=cx.every_cv())
    raises(lambda: whole.discretize(cx.PerBranch(2)), "edges()", kind=ParameterError)


@cache
def trees() -> cx.Model:
    """Two trees of spiking cells joined between dendrites, and two junctions to a third population."""
    cell = cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak(g=G, e=E)).paint("soma", hh=HH())
    net = cx.Network().add("a", cell, 2).add("b", passive(), 2)
    net = net.connect("a", "a", GapJunction(), cx.edges([[0, 1]]), at="apical", source="apical", weight=3e-3)
    each = cx.each("edge", [[1e-3, 2e-3], [0.0, 4e-3]])
    return net.connect("a", "b", GapJunction(), weight=each).discretize(cx.MaxLength(80.0))


def end(params: dict[str, jax.Array]) -> jax.Array:
    model = trees().replace(params)
    sol = cx.simulate(model, 4.0, 0.05, [cx.IClamp("a", 0.3, 3.0, jnp.array([0.6, 0.0]))])
    return jnp.mean((sol["a"] / 50) ** 2) + jnp.mean(sol["b"] ** 2) / 1e3


def test_gradients_of_junctions_and_of_what_they_join():
    names = ("a->a.gapjunction.weight", "a->b.gapjunction.weight", "a.soma.hh.gna", "b.all.leak.g")
    params = {k: trees().params[k] for k in names}
    way = {k: 0.5 * p + 1e-3 * (p == 0) for k, p in params.items()}
    h = 1e-4
    moved = {
        k: jnp.stack([p + s * h * way[k] * (k == n) for n in names for s in (1, -1)])
        for k, p in params.items()
    }
    values = np.asarray(jax.jit(jax.vmap(end))(moved)).reshape(-1, 2)
    gradient = jax.jit(jax.grad(end))(params)
    reverse = [float(jnp.vdot(gradient[n], way[n])) for n in names]
    np.testing.assert_allclose(reverse, (values[:, 0] - values[:, 1]) / (2 * h), rtol=1e-6)
    forward = [
        float(jax.jit(lambda t: jax.jvp(end, (params,), (t,))[1])({k: way[k] * (k == n) for k in names}))
        for n in names
    ]
    np.testing.assert_allclose(forward, reverse, rtol=1e-9)


def test_vmap_over_a_conductance_is_a_loop():
    @jax.jit
    def run(w):
        return cx.simulate(pair().replace({PATH: w}), 5.0, DT, [CLAMP])["b"]

    weights = jnp.array([0.0, 1e-3, 0.5])
    many = jax.vmap(run)(weights)
    for k in range(3):
        np.testing.assert_allclose(many[k], run(weights[k]), rtol=1e-13)


def test_junctions_in_single_precision():
    single = jax.tree.map(lambda x: x.astype(jnp.float32), ring())
    clamp = cx.IClamp("c", 0.0, 1e3, jnp.asarray(0.02 * jnp.arange(10.0), jnp.float32))
    low = cx.simulate(single, 10.0, DT, [clamp])["c"]
    high = cx.simulate(ring(), 10.0, DT, [clamp])["c"]
    assert low.dtype == jnp.float32
    np.testing.assert_allclose(low, high, atol=2e-3)


def test_a_junction_at_rest_changes_nothing():
    lone = cx.Network().add("a", passive(), 1).add("b", passive(5.0), 1).discretize(cx.PerBranch(1))
    v = [cx.simulate(m, 5.0, DT)["a"] for m in (lone, pair())]
    np.testing.assert_allclose(v[0], v[1], atol=1e-11)


def test_a_run_with_junctions_continues():
    whole = cx.simulate(trees(), 4.0, 0.05, [cx.IClamp("a", 0.3, 3.0, 0.6)])
    first = cx.simulate(trees(), 2.0, 0.05, [cx.IClamp("a", 0.3, 3.0, 0.6)])
    rest = cx.simulate(trees(), 2.0, 0.05, [cx.IClamp("a", 0.3, 3.0, 0.6)], state=first.state, continued=True)
    np.testing.assert_array_equal(np.concatenate([first["a"], rest["a"][1:]]), whole["a"])


def test_errors():
    net = cx.Network().add("a", passive(), 2).add("b", passive(), 2).add("s", cx.SpikeSource(), 2)

    def join(pre, **options):
        return lambda: net.connect(pre, "b", GapJunction(), **options).discretize(cx.PerBranch(1))

    wrong: Any = {"delay": 1.0, "threshold": 0.0, "in_flight": 3}
    for name, value in wrong.items():
        raises(join("a", **{name: value}), name, "GapJunction", kind=ParameterError)
    raises(join("s"), "spike sources", kind=ParameterError)
    raises(join("a", weight=-1e-3), "not negative", kind=ParameterError)
    raises(lambda: net.connect("b", "s", GapJunction()), "spike sources", kind=ParameterError)
    raises(
        lambda: net.connect("a", "b", ExpSyn()).connect("a", "b", ExpSyn()), "already", kind=ParameterError
    )
