"""The product of weighted edges: bilinear, closed under derivatives, and the same bits for any batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from random_forests import BACKENDS

from cajax.base.errors import CajaxError
from cajax.solve import native
from cajax.solve.sparse import Graph, product

needs_native = pytest.mark.skipif(not native.available(), reason="native solve not built")
SIZES = [1, 3, 17, 64]
DTYPES = [np.float32, np.float64]


def random_graph(seed, n_pre, n_site, n_edge):
    """Some edges repeat, and in the larger graphs some sites and some origins have none."""
    rng = np.random.default_rng(seed)
    site = np.sort(rng.choice(rng.permutation(n_site)[: max(1, n_site * 3 // 4)], n_edge))
    pre = rng.choice(rng.permutation(n_pre)[: max(1, n_pre * 3 // 4)], n_edge)
    if n_edge > 3:
        pre[1], site[1] = pre[0], site[0]
    return Graph(pre, site, n_pre, n_site)


GRAPHS = {
    "one edge": Graph([2], [1], 3, 4),
    "no edge": Graph([], [], 3, 4),
    "long rows": random_graph(0, 11, 5, 230),  # worth the kernel's tiles
    "short rows": random_graph(1, 40, 50, 70),
    "one to one": Graph(np.arange(9), np.arange(9), 9, 9),
    "all to all": Graph(np.tile(np.arange(6), 7), np.repeat(np.arange(7), 6), 6, 7),
}


SHAPES = [(name, dtype) for name in ("long rows", "short rows") for dtype in DTYPES]


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


@pytest.fixture(params=["one edge", "long rows", "short rows"])
def graph(request):
    return GRAPHS[request.param]


def operands(graph, *batch, dtype=np.float64, seed=0):
    """Weights, signals, and cotangents of the result."""
    rng = np.random.default_rng(seed)
    sizes = (graph.n_edge, graph.n_pre, graph.n_site)
    return [jnp.asarray(rng.normal(size=(*batch, n)).astype(dtype)) for n in sizes]


def form(graph, w, s, c):
    """The three derivatives of T(w, s, c), by dense matrices in float64: of one element."""
    to_pre, to_site = np.eye(graph.n_pre)[graph.pre], np.eye(graph.n_site)[graph.site]
    w, s, c = (np.asarray(x, np.float64) for x in (w, s, c))
    return (to_pre @ s) * (to_site @ c), to_pre.T @ (w * (to_site @ c)), to_site.T @ (w * (to_pre @ s))


def with_vjp(graph, backend):
    """All three derivatives of the form, from `product` and its transposes."""

    def call(w, s, c):
        y, back = jax.vjp(lambda w, s: product(w, s, graph, backend=backend), w, s)
        return *back(c), y

    return jax.jit(call)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", GRAPHS)
def test_values_and_transposes_are_those_of_the_matrix(backend, name, dtype):
    graph = GRAPHS[name]
    w, s, c = operands(graph, dtype=dtype)
    for found, wanted in zip(with_vjp(graph, backend)(w, s, c), form(graph, w, s, c), strict=True):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, wanted, rtol=0, atol=100 * np.finfo(dtype).eps)


@pytest.mark.parametrize(("name", "dtype"), SHAPES)
@pytest.mark.parametrize("shared", ["none", "weights", "signals"])
def test_batches_are_loops_bit_for_bit(backend, name, dtype, shared):
    graph = GRAPHS[name]
    w, s, c = operands(graph, 64, dtype=dtype)
    axes = {"none": (0, 0, 0), "weights": (None, 0, 0), "signals": (0, None, 0)}[shared]
    w, s = w[0] if shared == "weights" else w, s[0] if shared == "signals" else s
    one = with_vjp(graph, backend)

    def take(size):
        return [x if axis is None else x[size] for x, axis in zip((w, s, c), axes, strict=True)]

    loop = [one(*take(i)) for i in range(64)]
    many = jax.jit(jax.vmap(one, axes))
    for size in SIZES:
        for k, found in enumerate(many(*take(slice(size)))):
            np.testing.assert_array_equal(found, np.stack([alone[k] for alone in loop[:size]]))


@pytest.mark.parametrize(("name", "dtype"), SHAPES)
def test_what_a_batch_shares_gets_the_sum_over_it(backend, name, dtype):
    graph = GRAPHS[name]
    w, s, c = operands(graph, 64, dtype=dtype)
    call = lambda w, s: product(w, s, graph, backend=backend)  # noqa: E731

    @jax.jit
    def sums(w, s, c):
        (dw,) = jax.vjp(lambda w: jax.vmap(call, (None, 0))(w, s), w[0])[1](c)
        (ds,) = jax.vjp(lambda s: jax.vmap(call, (0, None))(w, s), s[0])[1](c)
        return dw, ds

    for size in SIZES:
        dw, ds = sums(w[:size], s[:size], c[:size])
        atol = 100 * size * np.finfo(dtype).eps
        np.testing.assert_allclose(dw, sum(form(graph, w[0], s[i], c[i])[0] for i in range(size)), 0, atol)
        np.testing.assert_allclose(ds, sum(form(graph, w[i], s[0], c[i])[1] for i in range(size)), 0, atol)


def test_the_gradient_of_shared_weights_is_never_per_element(backend, graph):
    w, s, _ = operands(graph, 7)

    def loss(w):
        return jnp.sum(jax.vmap(lambda s: product(w, s, graph, backend=backend))(s) ** 2)

    jaxpr = jax.make_jaxpr(jax.grad(loss))(w[0])
    assert f"[7,{graph.n_edge}]" not in str(jaxpr) or graph.n_edge in (graph.n_pre, graph.n_site)


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)])
def test_nested_batches_are_loops(backend, graph, axes):
    """An outer batch of gradients that are summed over an inner one: the sum has the same bits in each."""
    w, s, c = operands(graph, 3, 10)
    inner_w, inner_s = (x[:, 0] if axis is None else x for x, axis in zip((w, s), axes, strict=True))

    @jax.jit
    def gradients(w, s, c):
        call = jax.vmap(lambda w, s: product(w, s, graph, backend=backend), axes)
        return jax.vjp(call, w, s)[1](c)

    many = jax.jit(jax.vmap(gradients))(inner_w, inner_s, c)
    for i in range(3):
        for found, wanted in zip(many, gradients(inner_w[i], inner_s[i], c[i]), strict=True):
            if backend == "native":
                np.testing.assert_array_equal(found[i], wanted)
            np.testing.assert_allclose(found[i], wanted, rtol=1e-12, atol=1e-12)


def test_derivatives_obey_their_laws(backend, graph):
    """Both modes agree, and the derivatives of a bilinear map are exact differences."""
    w, s, c = operands(graph)
    dw, ds, _ = operands(graph, seed=1)

    def f(w, s):
        return product(w, s, graph, backend=backend)

    y, dy = jax.jvp(f, (w, s), (dw, ds))
    np.testing.assert_allclose(dy, f(dw, s) + f(w, ds), atol=1e-13)
    np.testing.assert_allclose(dy, (f(w + dw, s + ds) - f(w - dw, s - ds)) / 2, atol=1e-12)
    back_w, back_s = jax.vjp(f, w, s)[1](c)
    assert jnp.vdot(c, dy) == pytest.approx(float(jnp.vdot(back_w, dw) + jnp.vdot(back_s, ds)), abs=1e-12)
    assert jnp.vdot(c, y) == pytest.approx(float(jnp.vdot(back_s, s)), abs=1e-12)
    np.testing.assert_array_equal(jax.jvp(lambda s: f(w, s), (s,), (ds,))[1], f(w, ds))


def test_higher_derivatives(backend):
    """Along a line, Σ c y² is a polynomial of degree four, which five points determine with all its derivatives."""
    graph = GRAPHS["long rows"]
    w, s, c = operands(graph)
    dw, ds, _ = operands(graph, seed=1)

    def energy(t):
        return jnp.sum(c * product(w + t * dw, s + t * ds, graph, backend=backend) ** 2)

    points = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    wanted = np.polyfit(points, [energy(t) for t in points], 4)[::-1] * [1, 1, 2, 6, 24]
    found = [energy, jax.grad(energy), jax.grad(jax.grad(energy))]
    found.append(lambda t: jax.jvp(jax.grad(jax.grad(energy)), (t,), (1.0,))[1])
    found.append(jax.hessian(jax.hessian(energy)))
    scale = np.abs(wanted).max()
    np.testing.assert_allclose([jax.jit(f)(0.0) for f in found], wanted, rtol=0, atol=1e-11 * scale)


def test_batched_derivatives_in_both_modes(backend, graph):
    w, s, _ = operands(graph, 5)
    dw, ds, _ = operands(graph, 5, seed=1)

    def tangent(w, s, dw, ds):
        return jax.jvp(lambda w, s: product(w, s, graph, backend=backend), (w, s), (dw, ds))[1]

    many = jax.vmap(tangent, (None, 0, 0, 0))(w[0], s, dw, ds)
    for i in range(5):
        np.testing.assert_allclose(many[i], tangent(w[0], s[i], dw[i], ds[i]), rtol=0, atol=1e-13)


def test_batch_axes_elsewhere_and_empty_batches(backend, graph):
    w, s, c = operands(graph, 4)
    call = jax.vmap(lambda w, s: product(w, s, graph, backend=backend), (1, 1), 1)
    straight = jax.vmap(lambda w, s: product(w, s, graph, backend=backend))
    np.testing.assert_array_equal(call(w.T, s.T), straight(w, s).T)
    assert straight(w[:0], s[:0]).shape == (0, graph.n_site)
    shared = jax.vmap(lambda w, s: product(w, s, graph, backend=backend), (None, 0))
    (dw,) = jax.vjp(lambda w: shared(w, s[:0]), w[0])[1](c[:0])
    np.testing.assert_array_equal(dw, np.zeros(graph.n_edge))


def test_other_types_and_wrong_operands(backend):
    graph = GRAPHS["long rows"]
    w, s, _ = operands(graph)
    if backend == "jax":
        assert (
            product(w.astype(jnp.float16), s.astype(jnp.float16), graph, backend=backend).dtype == jnp.float16
        )
    assert product(w.astype(np.float32), s, graph, backend=backend).dtype == np.float64
    with pytest.raises(CajaxError, match="weight has shape"):
        product(w[1:], s, graph, backend=backend)
    with pytest.raises(CajaxError, match="give floating-point"):
        product(w.astype(int), s.astype(int), graph, backend=backend)


@pytest.mark.parametrize(
    ("ends", "why"),
    [
        (([0, 1], [1, 0]), "not sorted"),
        (([0, 3], [0, 1]), "outside 0 to 2"),
        (([0, -1], [0, 1]), "outside 0 to 2"),
        (([0, 1], [0, 2]), "outside 0 to 1"),
        (([0], [0, 1]), "both ends"),
        (([0.5], [0]), "whole numbers"),
    ],
)
def test_wrong_graphs_are_refused(ends, why):
    with pytest.raises(CajaxError, match=why):
        Graph(*ends, 3, 2)


def test_equal_graphs_share_compiled_code():
    traces = []

    @jax.jit
    def f(w):
        traces.append(0)
        return product(w, jnp.ones(3), Graph([0, 2], [0, 1], 3, 2))

    f(jnp.ones(2)), f(2 * jnp.ones(2))
    one = Graph([0, 2], [0, 1], 3, 2)
    assert len(traces) == 1
    assert one == Graph(np.array([0, 2]), [0, 1], 3, 2) != Graph([0, 2], [0, 1], 4, 2)
    assert hash(one) == hash(Graph([0, 2], [0, 1], 3, 2))
    assert repr(one) == "Graph(n_edge=2, n_pre=3, n_site=2)"


@needs_native
@pytest.mark.parametrize(
    ("tables", "why"),
    [
        ({"pre": [0, 3]}, "from outside the graph"),
        ({"pre": [0, -1]}, "from outside the graph"),
        ({"offset": [0, 2, 1, 2]}, "ends before it begins"),
        ({"offset": [0, 1]}, "do not cover"),
        ({"offset": []}, "do not cover"),
        ({"offset": [1, 2]}, "do not cover"),
        ({"out": 3}, "no such result"),
    ],
)
def test_the_kernel_refuses_wrong_tables(tables, why):
    given = {"offset": [0, 1, 2], "pre": [0, 2], "pres": 3, "out": 2} | tables
    given |= {name: np.asarray(given[name], np.int32) for name in ("offset", "pre")}
    with pytest.raises(jax.errors.JaxRuntimeError, match=why):
        native.product(jnp.ones(2), jnp.ones(3), (2,), **given).block_until_ready()


@needs_native
@pytest.mark.parametrize(
    ("w", "s", "y"),
    [
        ((3,), (3,), (2,)),
        ((2,), (3,), (3,)),
        ((2,), (1, 3), (2,)),
        ((4, 2), (5, 3), (4, 2)),
        ((1, 2), (1, 3), (4, 2)),
        ((4, 2), (1, 3), (1, 2)),
        ((4, 2), (2, 3), (4, 2)),
        ((), (3,), (2,)),
    ],
)
def test_the_kernel_refuses_wrong_shapes(w, s, y):
    tables = {"offset": np.int32([0, 1, 2]), "pre": np.int32([0, 2]), "pres": 3, "out": 2}
    with pytest.raises(jax.errors.JaxRuntimeError, match="sparse product: the shapes"):
        native.product(jnp.ones(w), jnp.ones(s), y, **tables).block_until_ready()
