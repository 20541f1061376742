import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from random_forests import BACKENDS, case, cases, dense, few, matvec, solve

from cajax.base.errors import CajaxError, ParameterError
from cajax.solve import Tree, linear, native

both = pytest.mark.parametrize("backend", BACKENDS)


@both
@few
@given(case=cases(max_nodes=15))
def test_equals_dense(backend, case):
    a, g, b = case.operands()
    matrix = dense(case.forest, a, g)
    exact = np.linalg.solve(matrix, b)
    np.testing.assert_allclose(solve(case.forest, a, g, b, backend=backend), exact, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(matvec(case.forest, a, g, b), matrix @ b, rtol=1e-10, atol=1e-10)


@both
@few
@given(case=cases(max_nodes=15))
def test_float32_loses_no_digits(backend, case):
    a, g, b = case.operands(dtype=np.float32)
    b = np.abs(b)  # without cancellation in b the answer is accurate to a few units in the last place
    exact = np.linalg.solve(dense(case.forest, a, g), b.astype(np.float64))
    np.testing.assert_allclose(solve(case.forest, a, g, b, backend=backend), exact, rtol=2e-5)


@both
def test_float32_is_accurate_where_the_tree_is_stiff(backend):
    n = 400
    tree = Tree(np.arange(n) - 1, np.arange(n))
    a, g = np.full(n, 1e-3, np.float32), np.full(n, 1e5, np.float32)
    x = solve((tree,), a, g, a, backend=backend)  # A 1 = a, so x = 1
    np.testing.assert_allclose(x, 1.0, rtol=1e-4)


@both
@few
@given(case=cases())
def test_symmetric(backend, case):
    a, g, b = case.operands()
    c = case.rng.normal(size=b.shape)
    left = solve(case.forest, a, g, b, backend=backend) @ c
    right = b @ solve(case.forest, a, g, c, backend=backend)
    np.testing.assert_allclose(left, right, rtol=1e-10, atol=1e-10)


@both
@few
@given(case=cases(max_nodes=12))
def test_derivatives(backend, case):
    operands = case.operands()
    push = tuple(case.rng.normal(size=v.shape) * v for v in operands)
    pull = case.rng.normal(size=operands[2].shape)

    def f(*v):
        return solve(case.forest, *v, backend=backend)

    forward = jax.jit(lambda v, t: jax.jvp(f, v, t)[1])(operands, push)
    back = jax.jit(lambda v, c: jax.vjp(f, *v)[1](c))(operands, pull)
    reverse = sum(np.vdot(c, t) for c, t in zip(back, push, strict=True))
    np.testing.assert_allclose(forward @ pull, reverse, rtol=1e-10, atol=1e-10)
    step = 1e-5
    ends = [f(*(v + s * t for v, t in zip(operands, push, strict=True))) for s in (step, -step)]
    scale = np.abs(forward).max() + np.abs(ends[0]).max()
    np.testing.assert_allclose(forward, (ends[0] - ends[1]) / (2 * step), rtol=0, atol=1e-6 * scale)


@both
def test_second_derivatives(backend):
    some = case(7, [(9, 2)])
    a, g, b = map(jnp.asarray, some.operands())
    for argument, dot in ((0, a), (1, g)):

        def f(s, argument=argument, dot=dot):
            v = [a, g, b]
            v[argument] = v[argument] + s * dot
            return jnp.sum(solve(some.forest, *v, backend=backend) ** 2)

        slope = jax.jit(jax.grad(f))
        exact = jax.jit(jax.grad(slope))(0.1)
        np.testing.assert_allclose(jax.jvp(slope, (0.1,), (1.0,))[1], exact, rtol=1e-10)
        near = (slope(0.1 + 1e-5) - slope(0.1 - 1e-5)) / 2e-5
        np.testing.assert_allclose(near, exact, rtol=1e-5, atol=1e-8)


@both
@pytest.mark.parametrize(
    "batched", [(0, 0, 0), (0, None, 0), (None, None, 0), (0, None, None), (None, 0, None)]
)
@pytest.mark.parametrize("size", [1, 5, 37])
def test_vmap_is_a_loop_bit_for_bit(backend, batched, size):
    if backend == "jax" and size == 37:
        pytest.skip("the reference is compiled anew for every size")
    some = case(11, [(14, 2), (23, 1)])
    operands = [v if axis == 0 else v[0] for v, axis in zip(some.operands(size), batched, strict=True)]

    def f(*v):
        return solve(some.forest, *v, backend=backend)

    many = jax.jit(jax.vmap(f, batched))(*operands)
    one = jax.jit(f)
    for i in range(size):
        element = [v if axis is None else v[i] for v, axis in zip(operands, batched, strict=True)]
        np.testing.assert_array_equal(many[i], one(*element))


@both
def test_nested_vmap(backend):
    some = case(13, [(21, 2)])
    a, _, _ = some.operands(3)
    _, g, _ = some.operands()
    _, _, b = some.operands(4)

    def f(a, b):
        return solve(some.forest, a, g, b, backend=backend)

    grid = jax.vmap(jax.vmap(f, (None, 0)), (0, None))(a, b)
    one = jax.jit(f)
    for i in range(3):
        for j in range(4):
            np.testing.assert_array_equal(grid[i, j], one(a[i], b[j]))


@both
def test_vmapped_gradient_is_a_loop(backend):
    some = case(3, [(16, 2)])
    a, _, b = some.operands(3)
    _, g, _ = some.operands()
    gradient = jax.jit(
        jax.grad(lambda a, g, b: jnp.sum(solve(some.forest, a, g, b, backend=backend) ** 2), (0, 1, 2))
    )
    many = jax.vmap(gradient, (0, None, 0))(a, g, b)
    for i in range(3):
        for all_of_them, one in zip(many, gradient(a[i], g, b[i]), strict=True):
            np.testing.assert_allclose(all_of_them[i], one, rtol=1e-10, atol=1e-12)


def test_edges_are_left_alone_where_nobody_asks_for_them():
    some = case(17, [(30, 1)])
    a, g, b = map(jnp.asarray, some.operands())

    def loss(a, g, b):
        return jnp.sum(linear.solve(some.forest, a, g, b) ** 2)

    compiled = jax.jit(jax.grad(loss, (0, 2))).lower(a, g, b).compile().as_text()
    if native.available():
        assert compiled.count("custom-call(") == 2
        assert " gather(" not in compiled and " scatter(" not in compiled


@both
def test_value_of_a_root_edge_is_ignored(backend):
    some = case(19, [(12, 2)])
    (tree,) = some.forest
    a, g, b = map(jnp.asarray, some.operands())
    junk = jnp.where(jnp.repeat(jnp.asarray(tree.parent < 0), tree.lanes), jnp.nan, g)

    def f(a, g):
        return solve(some.forest, a, g, b, backend=backend)

    np.testing.assert_array_equal(f(a, g), f(a, junk))
    gradient = jax.grad(lambda a, g: jnp.sum(f(a, g) ** 2), (0, 1))
    for clean, dirty in zip(gradient(a, g), gradient(a, junk), strict=True):
        np.testing.assert_array_equal(clean, dirty)


@both
def test_a_long_chain(backend):
    n = 5000
    tree = Tree(np.arange(n) - 1, np.arange(n))
    rng = np.random.default_rng(0)
    a, g, x = rng.uniform(0.5, 1.0, n), rng.uniform(1, 1e3, n), rng.normal(size=n)
    b = matvec((tree,), a, g, x)
    np.testing.assert_allclose(solve((tree,), a, g, b, backend=backend), x, rtol=0, atol=1e-9)


def test_ill_operands_raise():
    some = case(1, [(6, 2)])
    a, g, b = some.operands()
    with pytest.raises(ParameterError, match=r"g has shape \(11,\), its forest needs \(12,\)"):
        solve(some.forest, a, g[:-1], b)
    with pytest.raises(ParameterError, match="b has shape"):
        solve(some.forest, a, g, b[None])
    with pytest.raises(ParameterError, match="floating-point"):
        solve(some.forest, a.astype(int), g.astype(int), b.astype(int))


def test_falls_back_without_the_library(monkeypatch):
    some = case(1, [(6, 2)])
    operands = some.operands()
    monkeypatch.setattr(native, "available", lambda: False)
    fallen = linear.solve(some.forest, *operands)
    np.testing.assert_array_equal(fallen, linear.solve(some.forest, *operands, backend="jax"))
    with pytest.raises(CajaxError, match=r"native backend is missing; reinstall"):
        linear.solve(some.forest, *operands, backend="native")


def test_native_refuses_half_precision():
    some = case(1, [(6, 2)])
    operands = some.operands(dtype=np.float16)
    assert solve(some.forest, *operands).dtype == jnp.float16
    with pytest.raises(ParameterError, match="no float16"):
        linear.solve(some.forest, *operands, backend="native")
