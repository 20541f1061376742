"""What must not change a result: batching, the storage of the reverse pass, pauses, order, copies, new values."""

import copy
import pickle
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import HH, Graded, Kd, Leak, Na
from cajax.simulate import _run
from cajax.solve import Nested

from .random_models import random_cell, random_network

METHODS = (cx.Staggered(), cx.BackwardEuler())
LAYOUTS = (cx.Direct(), cx.Checkpointed(), cx.Checkpointed(1000))
LAST_BITS = (
    1e-12  # XLA fuses, and so contracts, the elementwise part of a step differently for other batch sizes
)


@cache
def spiking() -> cx.Model:
    """A soma with sodium and potassium on a passive dendrite: it fires at 0.5 nA."""
    cell = cx.Cell(cx.ball_and_stick(soma_radius=8.0, length=100.0)).paint("all", leak=Leak())
    return cell.paint("soma", na=Na(), kd=Kd()).discretize(cx.PerBranch(2))


def run(model: cx.Model, amp: Any, t1: float = 1.6, **options: Any) -> cx.Solution:
    inputs = [cx.IClamp("soma", 0.1, 1.0, amp), cx.Current("apical", jnp.linspace(0, 0.1, 9), 0.23)]
    return cx.simulate(model, t1, 0.05, inputs, {"v": cx.every_cv(), "m": "soma.na.m"}, **options)


def same(a: Any, b: Any) -> bool:
    """Whether two pytrees hold the same bits."""
    x, y = jax.tree.leaves(a), jax.tree.leaves(b)
    return len(x) == len(y) and all(
        np.asarray(p).tobytes() == np.asarray(q).tobytes() for p, q in zip(x, y, strict=True)
    )


def test_batch_equals_loop() -> None:
    amps = jnp.array([0.1, 0.4, 0.9])
    batch = jax.vmap(lambda amp: run(spiking(), amp)["v"])(amps)
    loop = [run(spiking(), amp)["v"] for amp in amps]
    print("vmap = loop bit for bit:", [same(a, b) for a, b in zip(batch, loop, strict=True)])
    np.testing.assert_allclose(batch, np.stack(loop), rtol=LAST_BITS, atol=LAST_BITS)


def test_batches_of_any_size_give_the_same_bits() -> None:
    """Of batches of more than one."""
    batched = jax.vmap(lambda amp: run(spiking(), amp)["v"])
    amps = jnp.linspace(0.1, 0.9, 5)
    assert same(batched(amps)[:2], batched(amps[:2]))


def test_storage_of_the_reverse_pass_changes_nothing() -> None:
    """Neither the run (bit for bit where no loops are nested) nor the gradient."""

    def loss(params: dict[str, jax.Array], layout: Any) -> jax.Array:
        return jnp.mean((run(spiking().replace(params), 0.5, adjoint=layout)["v"] / 50) ** 2)

    assert [layout.plan(32, 100) for layout in LAYOUTS] == [Nested(0), Nested(1), Nested(3)]
    runs = [run(spiking(), 0.5, adjoint=layout) for layout in LAYOUTS]
    assert same(runs[0], runs[1])
    np.testing.assert_allclose(runs[2]["v"], runs[0]["v"], rtol=LAST_BITS)
    gradients = [jax.jit(jax.grad(loss), static_argnums=1)(spiking().params, layout) for layout in LAYOUTS]
    print(
        "bit for bit: nested", same(runs[0], runs[2]), "gradients", [same(g, gradients[0]) for g in gradients]
    )
    for gradient in gradients[1:]:
        for path, g in gradient.items():
            np.testing.assert_allclose(g, gradients[0][path], rtol=LAST_BITS, err_msg=path)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_a_run_continues_exactly(method: Any) -> None:
    whole = run(spiking(), 0.5, method=method)
    first = run(spiking(), 0.5, t1=0.8, method=method)
    second = run(spiking(), 0.5, t1=0.8, method=method, state=first.state, continued=True)
    assert same(whole.state, second.state)
    assert same(whole["v"], np.concatenate([first["v"], second["v"][1:]]))
    assert same(whole["m"], np.concatenate([first["m"], second["m"][1:]]))
    assert same(whole.ts, np.concatenate([first.ts, second.ts[1:]]))


def test_a_network_continues_exactly() -> None:
    model = random_network(np.random.default_rng(0)).discretize(cx.PerBranch(1))
    go = partial(
        cx.simulate, model, dt=0.1, inputs=[cx.IClamp("input", 0.15, 1.0, jnp.array([2.0, 1.0, 0.0]))]
    )
    first = go(t1=0.8)
    assert same(go(t1=1.6).state, go(t1=0.8, state=first.state, continued=True).state)


def test_order_of_paints_changes_nothing() -> None:
    paints = [
        ("all", {"leak": Leak()}),
        ("soma", {"na": Na()}),
        ("apical", {"kd": Kd()}),
        ("soma", {"cm": 1.5}),
    ]
    shape = cx.Cell(cx.ball_and_stick())
    results = []
    for order in ([0, 1, 2, 3], [3, 2, 0, 1]):
        cell = shape
        for i in order:
            cell = cell.paint(paints[i][0], **paints[i][1])
        model = cell.discretize(cx.PerBranch(2))
        results.append((model.params, cx.simulate(model, 0.5, 0.05, record={"v": cx.every_cv()})["v"]))
    assert results[0][0].keys() == results[1][0].keys()
    assert same(results[0], results[1])


def test_order_of_populations_changes_nothing() -> None:
    point = cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", hh=HH())
    tree = cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak())

    def build(*names: str) -> cx.Solution:
        net = cx.Network()
        for name in names:
            net = net.add(name, point if name == "a" else tree, 2)
        net = net.connect("a", "b", Graded(), at="apical").connect("b", "a", Graded(e=-75.0))
        model = net.discretize(cx.PerBranch(1))
        return cx.simulate(model, 1.0, 0.1, [cx.IClamp("a", 0.0, 1.0, jnp.array([1.0, 2.0]))])

    one, other = build("a", "b"), build("b", "a")
    for name in ("a", "b"):
        np.testing.assert_allclose(one[name], other[name], rtol=LAST_BITS)


def test_order_of_cells_changes_nothing() -> None:
    """Interleaved cells are as many separate ones."""
    cell = (
        cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak(g=cx.each("cell", 1e-4))).paint("soma", kd=Kd())
    )
    amps, order = jnp.array([0.1, 0.2, 0.3]), np.array([2, 0, 1])
    model = cx.Network().add("a", cell, 3).discretize(cx.PerBranch(2))
    model = model.replace({"a.all.leak.g": jnp.array([1e-4, 2e-4, 3e-4])})
    moved = model.replace({"a.all.leak.g": model.params["a.all.leak.g"][order]})

    def go(model: cx.Model, amps: jax.Array) -> jax.Array:
        return cx.simulate(model, 1.0, 0.1, [cx.IClamp("a", 0.0, 1.0, amps)])["a"]

    together = go(model, amps)
    assert same(together[:, order], go(moved, amps[order]))
    alone = cell.discretize(cx.PerBranch(2))
    for i in range(3):
        one = alone.replace({"all.leak.g": model.params["a.all.leak.g"][i : i + 1]})
        v = cx.simulate(one, 1.0, 0.1, [cx.IClamp("soma", 0.0, 1.0, amps[i])])["v"]
        np.testing.assert_allclose(together[:, i], v, rtol=LAST_BITS)


@pytest.mark.parametrize(
    "through", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["copy", "pickle"]
)
def test_copies_are_equal_also_after_a_run(through: Any) -> None:
    solution = run(spiking(), 0.5)
    model, state = through(spiking()), through(solution.state)
    assert model.structure == spiking().structure and hash(model.structure) == hash(spiking().structure)
    assert same(model, spiking())
    before = _run._cache_size()
    assert same(run(model, 0.5), solution)
    assert same(run(model, 0.5, state=state), run(spiking(), 0.5, state=solution.state))
    assert _run._cache_size() <= before + 1, "a copy was compiled anew"


def test_recipes_can_be_copied() -> None:
    cell = random_cell(np.random.default_rng(3))
    net = random_network(np.random.default_rng(3))
    for recipe in (cell, net):
        a, b = (r.discretize(cx.PerBranch(1)) for r in (recipe, pickle.loads(pickle.dumps(recipe))))
        assert same(a, b) and a.structure == b.structure


def test_new_values_never_recompile() -> None:
    net = cx.Network().add("a", cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", leak=Leak()), 2)
    build = lambda w: net.connect("a", "a", Graded(), weight=w).discretize(cx.PerBranch(1))  # noqa: E731
    run(spiking(), 0.5)
    cx.simulate(build(1e-3), 0.3, 0.1, [cx.IClamp("a", 0.0, 1.0, 0.1)])
    before = _run._cache_size()
    run(spiking().replace({"soma.na.g": 0.01, "all.ra": 70.0}), 0.2)
    cell = cx.Cell(cx.ball_and_stick(soma_radius=8.0, length=100.0), cm=2.0, v0=-60.0).paint(
        "all", leak=Leak(g=2e-4)
    )
    run(cell.paint("soma", na=Na(vt=-58.0), kd=Kd()).discretize(cx.PerBranch(2)), jnp.asarray(0.3))
    cx.simulate(build(2e-3), 0.3, 0.1, [cx.IClamp("a", 0.1, 2.0, -0.2)])
    assert _run._cache_size() == before, "a changed value was compiled anew"


def test_float32_stays_finite_and_close() -> None:
    """Also through a spike; a float32 model keeps its type while doubles are on."""
    single = jax.tree.map(lambda x: x.astype(jnp.float32), spiking())
    go = partial(cx.simulate, t1=8.0, dt=0.05, inputs=[cx.IClamp("soma", 0.5, 5.0, 0.5)])
    double, low = go(spiking())["v"], go(single)["v"]
    assert low.dtype == jnp.float32 and double.dtype == jnp.float64
    assert double.max() > 0 and jnp.isfinite(low).all()
    assert float(jnp.abs(low - double).max()) < 0.1
