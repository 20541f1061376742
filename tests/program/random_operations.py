"""Operations that random steps are made of: each takes values of a pool and knows a bound of what it returns.

A maker returns which values, a function of them, and the bound of its result (None of whole numbers and bits), or
None where the pool has nothing that fits. All are smooth within the bounds, or have kinks where no value lies.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from random_forests import random_tree

from cajax.solve import linear, n_edges, n_entries
from cajax.solve.sites import Index, spread, take
from cajax.solve.sparse import Graph, product

Made = tuple[tuple[int, ...], Callable[..., Any], float | None] | None
MAKERS: list[tuple[str, Callable[["Pool"], Made]]] = []
TYPES = {"f": "float", "i": np.int32, "u": np.uint32, "b": np.bool_, "l": np.int64}


def kind_of(dtype: Any) -> str:
    """Return the letter of a type."""
    dtype = np.dtype(dtype)
    return {"float32": "f", "float64": "f", "int32": "i", "uint32": "u", "int64": "l", "bool": "b"}[
        dtype.name
    ]


@final
@dataclass(frozen=True)
class Kind:
    """Shape, letter of the type, and the largest size of an entry."""

    shape: tuple[int, ...]
    type: str
    bound: float

    @staticmethod
    def of(x: Any) -> "Kind":
        """Return that of an array."""
        return Kind(x.shape, kind_of(x.dtype), 2.0)

    def dtype(self, float_type: Any) -> Any:
        """Return its type."""
        return float_type if self.type == "f" else TYPES[self.type]


@final
@dataclass
class Pool:
    """The values that there are so far."""

    rng: np.random.Generator
    sizes: list[int]
    dtype: Any
    kinds: list[Kind] = field(default_factory=list)
    inputs: int = 0

    def shape(self) -> tuple[int, ...]:
        """Return a shape for an operand."""
        n, m, k = self.sizes
        shapes = [(), (n,), (n,), (m,), (k,), (min(k, 4), n), (2, min(m, 5), 3), (1,), (n, 1)]
        return shapes[int(self.rng.integers(len(shapes)))]

    def pick(self, kind: str = "f", shape: Any = None, rank: int | None = None, skip: int = -1) -> int | None:
        """Return one of the values that fit, the later the likelier."""
        found = [
            i for i, x in enumerate(self.kinds)
            if x.type in kind and i != skip and (shape is None or x.shape == shape)
            and (rank is None or len(x.shape) >= rank)
        ]  # fmt: skip
        if not found:
            return None
        return found[int(len(found) * self.rng.random() ** 0.7)]

    def scalars_or(self, shape: tuple[int, ...], kind: str = "f") -> int | None:
        """Return a value of that shape, or now and then a number."""
        if self.rng.random() < 0.15 and (found := self.pick(kind, ())) is not None:
            return found
        return self.pick(kind, shape)


def maker(function: Callable[[Pool], Made]) -> Callable[[Pool], Made]:
    """Register a maker."""
    MAKERS.append((function.__name__, function))
    return function


def often(count: int) -> Callable[[Callable[[Pool], Made]], Callable[[Pool], Made]]:
    """Register a maker several times."""

    def register(function: Callable[[Pool], Made]) -> Callable[[Pool], Made]:
        MAKERS.extend([(function.__name__, function)] * count)
        return function

    return register


@jax.custom_jvp
def surrogate(x: Any) -> Any:
    """A step whose derivative is a bump."""
    return (x > 0.1234).astype(x.dtype)


surrogate.defjvp(lambda p, t: (surrogate(p[0]), t[0] / (1.0 + p[0] * p[0])))

UNARY: list[tuple[Callable[[Any], Any], float]] = [
    (lambda x: jnp.exp(0.5 * x), 2.8), (lambda x: jnp.exp2(0.3 * x), 1.6), (jnp.expm1, 6.4),
    (lambda x: jnp.log(1.5 + x * x), 1.8), (lambda x: jnp.log1p(x * x), 1.7), (jnp.tanh, 1.0),
    (jax.nn.sigmoid, 1.0), (jnp.sin, 1.0), (jnp.cos, 1.0), (lambda x: jnp.tan(0.3 * x), 0.7),
    (lambda x: jnp.sqrt(1.0 + x * x), 2.3), (lambda x: lax.rsqrt(1.0 + x * x), 1.0),
    (lambda x: jnp.cbrt(3.0 + x), 1.8), (jax.scipy.special.erf, 1.0), (jax.scipy.special.erfc, 2.0),
    (lambda x: lax.erf_inv(0.4 * x), 1.2), (lambda x: jnp.arcsin(0.4 * x), 1.0),
    (lambda x: jnp.arccos(0.4 * x), 2.6), (jnp.arctan, 1.2), (lambda x: jnp.sinh(0.5 * x), 1.2),
    (lambda x: jnp.cosh(0.5 * x), 1.6), (jnp.negative, 2.0), (jnp.square, 4.0), (lambda x: x**3, 8.0),
    (lambda x: (2.5 + x) ** -2, 4.0), (lambda x: 1.0 / (2.5 + x), 2.0), (lambda x: jnp.abs(x - 0.1234), 2.2),
    (lambda x: jnp.clip(x, -0.777, 0.888), 0.9), (lambda x: jnp.maximum(x, 0.3456), 2.0),
    (lambda x: jnp.sign(x - 0.1234), 1.0), (lambda x: jnp.floor(2.0 * x + 0.4321), 5.0),
    (lambda x: jnp.ceil(2.0 * x + 0.4321), 5.0), (lambda x: jnp.round(2.0 * x + 0.1111), 4.2),
    (lambda x: x % 0.7345, 0.8), (lax.stop_gradient, 2.0), (surrogate, 1.0), (jax.nn.softplus, 2.2),
    (jax.checkpoint(lambda x: jnp.sin(x) * x), 2.0), (jax.jit(lambda x: 0.5 * x + 1.0), 2.0),
]  # fmt: skip


@often(5)
def unary(pool: Pool) -> Made:
    function, bound = UNARY[int(pool.rng.integers(len(UNARY)))]
    x = pool.pick()
    return None if x is None else ((x,), function, bound)


BINARY: list[tuple[Callable[[Any, Any], Any], float]] = [
    (jnp.add, 4.0), (jnp.subtract, 4.0), (jnp.multiply, 4.0), (lambda x, y: x / (1.0 + y * y), 2.0),
    (lambda x, y: (1.5 + 0.5 * x) ** y, 6.3), (lambda x, y: jnp.arctan2(x, 2.5 + y), 1.6), (jnp.maximum, 2.0),
    (lambda x, y: jnp.minimum(x, 0.5 * y + 0.123), 2.0), (lambda x, y: jnp.where(x > 0.3217, x, y), 2.0),
    (jnp.logaddexp, 2.8), (lambda x, y: lax.rem(x, 2.5 + y), 2.0), (lambda x, y: x * y - y, 6.0),
    (lambda x, y: lax.cond(True, lambda: x, lambda: y), 2.0),
]  # fmt: skip


@often(6)
def binary(pool: Pool) -> Made:
    x = pool.pick()
    y = None if x is None else pool.scalars_or(pool.kinds[x].shape)
    if x is None or y is None:
        return None
    function, bound = BINARY[int(pool.rng.integers(len(BINARY)))]
    if pool.kinds[x].shape != pool.kinds[y].shape and bound == 2.0 and function is BINARY[-1][0]:
        return None
    return (x, y), function, bound


@often(2)
def multiply_add(pool: Pool) -> Made:
    x = pool.pick()
    if x is None:
        return None
    y, z = (pool.scalars_or(pool.kinds[x].shape) for _ in range(2))
    if y is None or z is None:
        return None
    forms = [lambda x, y, z: x * y + z, lambda x, y, z: z - x * y, lambda x, y, z: x * y - z * x]
    return (x, y, z), forms[int(pool.rng.integers(3))], 8.0


@often(3)
def moves(pool: Pool) -> Made:
    x = pool.pick(rank=1)
    if x is None:
        return None
    shape, rng = pool.kinds[x].shape, pool.rng
    axis, n = int(rng.integers(len(shape))), 0
    n = shape[axis]
    start, stride = int(rng.integers(n)), int(rng.integers(1, 3))
    index = rng.integers(0, n, int(rng.integers(1, 2 * n + 1)))
    order = tuple(rng.permutation(len(shape)).tolist())
    forms: list[Callable[[Any], Any]] = [
        lambda x: jnp.transpose(x, order),
        lambda x: jnp.flip(x, axis),
        lambda x: x.reshape(-1),
        lambda x: x[None],
        lambda x: lax.slice_in_dim(x, start, n, stride, axis),
        lambda x: jnp.take(x, index, axis, mode="clip"),
        lambda x: jnp.concatenate([x, 0.5 * x], axis),
        lambda x: jnp.concatenate([lax.slice_in_dim(x, start, n, 1, axis), x], axis),
        lambda x: jnp.stack([x, x * 0.25], axis),
        lambda x: jnp.roll(x, start, axis),
        lambda x: jnp.pad(x, [(1, 2) if i == axis else (0, 0) for i in range(len(shape))]),
        lambda x: jnp.pad(x, [(1, 2) if i == axis else (0, 0) for i in range(len(shape))], constant_values=0.5),
        lambda x: lax.pad(x, x.dtype.type(0), [(-1 if n > 1 else 0, 1, 1) if i == axis else (0, 0, 0)
                                               for i in range(len(shape))]),
        lambda x: jnp.repeat(x, 2, axis),
        lambda x: lax.index_in_dim(x, start, axis, False),
        lambda x: jnp.split(x, [start], axis)[1],
    ]  # fmt: skip
    return (x,), forms[int(rng.integers(len(forms)))], 2.0


@often(2)
def joins(pool: Pool) -> Made:
    x = pool.pick(rank=1)
    y = None if x is None else pool.pick(rank=1, shape=pool.kinds[x].shape)
    z = None if x is None else pool.pick(shape=())
    if x is None or y is None:
        return None
    axis = int(pool.rng.integers(len(pool.kinds[x].shape)))
    if z is not None and pool.rng.random() < 0.5:
        return (x, z), lambda x, z: jnp.full_like(x, z) if axis else x.at[0].set(z), 2.0
    return (x, y), lambda x, y: jnp.concatenate([x, y], axis), 2.0


@often(2)
def outer(pool: Pool) -> Made:
    x = pool.pick(rank=1)
    y = pool.pick(rank=1)
    if x is None or y is None or len(pool.kinds[x].shape) + len(pool.kinds[y].shape) > 3:
        return None
    rows = len(pool.kinds[y].shape)
    return (x, y), lambda x, y: x.reshape(*x.shape, *[1] * rows) * y.reshape(*[1] * (x.ndim), *y.shape), 4.0


@often(2)
def reductions(pool: Pool) -> Made:
    x = pool.pick()
    if x is None:
        return None
    shape, rng = pool.kinds[x].shape, pool.rng
    axes = tuple(i for i in range(len(shape)) if rng.random() < 0.6)
    # Which entry is the largest has a derivative only where no rounding decides: XLA may compute it twice, differently.
    exact: Callable[[Any], Any] = (lambda x: x) if x < pool.inputs else lax.stop_gradient
    forms: list[Callable[[Any, Any], Any]] = [
        jnp.mean, lambda x, axes: jnp.max(exact(x), axes), lambda x, axes: jnp.min(exact(x), axes),
        jnp.sum if int(np.prod(shape)) < 4 else jnp.mean, jnp.var,
    ]  # fmt: skip
    form = forms[int(rng.integers(len(forms)))]
    return (x,), lambda x: form(x, axes), 16.0 if form is forms[-1] else 8.0


@maker
def contraction(pool: Pool) -> Made:
    x = pool.pick(rank=2)
    if x is None or len(pool.kinds[x].shape) != 2:
        return None
    n = pool.kinds[x].shape[1]
    y = pool.pick(shape=(n,))
    if pool.rng.random() < 0.3 or y is None:
        return (x,), lambda x: (x @ x.T) / n, 4.0
    return (x, y), lambda x, y: (x @ y) / n, 4.0


@maker
def solve(pool: Pool) -> Made:
    x = pool.pick(rank=1)
    if x is None or len(pool.kinds[x].shape) != 1:
        return None
    n = pool.kinds[x].shape[0]
    rng = pool.rng
    lanes = 2 if rng.random() < 0.3 else 1
    forest = (random_tree(rng, int(rng.integers(1, 12)), lanes), random_tree(rng, int(rng.integers(1, 5))))
    cv = rng.integers(0, n, n_entries(forest))
    edge = rng.integers(0, n, n_edges(forest))
    y = pool.scalars_or((n,))
    if y is None:
        return None

    def function(x: Any, y: Any) -> Any:
        a = 1.0 + x[cv] ** 2
        g = 0.5 + (jnp.broadcast_to(y, x.shape)[edge]) ** 2
        return linear.solve(forest, a, g, x[cv[::-1]])

    return (x, y), function, 2.0


@maker
def edges(pool: Pool) -> Made:
    x = pool.pick(rank=1)
    if x is None or len(pool.kinds[x].shape) != 1:
        return None
    n, rng = pool.kinds[x].shape[0], pool.rng
    y = pool.pick(rank=1)
    if y is None or len(pool.kinds[y].shape) != 1:
        return None
    sites = int(rng.integers(1, 9))
    pre = rng.integers(0, n, m := pool.kinds[y].shape[0])
    graph = Graph(pre, np.sort(rng.integers(0, sites, m)), n, sites)
    return (x, y), lambda x, y: product(y, x, graph), 4.0 * m


@maker
def sites(pool: Pool) -> Made:
    x = pool.pick(rank=1)
    if x is None or len(pool.kinds[x].shape) != 1:
        return None
    n, rng = pool.kinds[x].shape[0], pool.rng
    if rng.random() < 0.5:
        index = Index(rng.integers(0, n, int(rng.integers(1, 9))), n)
        return (x,), lambda x: take(x, index), 2.0
    size = int(rng.integers(1, 20))
    index = Index(rng.integers(0, size, n), size)
    return (x,), lambda x: spread(x, index), 2.0 * n


@often(2)
def static_scatter(pool: Pool) -> Made:
    x, rng = pool.pick(rank=1), pool.rng
    if x is None:
        return None
    n = pool.kinds[x].shape[0]
    index, size = rng.integers(0, 5, n), 5
    some = rng.permutation(n)[: max(1, n // 2)]
    forms: list[tuple[Callable[[Any], Any], float]] = [
        (
            lambda x: jnp.zeros((size, *x.shape[1:]), x.dtype).at[index].add(x, mode="promise_in_bounds"),
            2.0 * n,
        ),
        (lambda x: x.at[some].add(0.5 * x[some]), 4.0),
        (lambda x: x.at[some].set(0.5 * x[some[::-1]]), 2.0),
        (lambda x: x.at[0].set(0.25), 2.0),
    ]
    form, bound = forms[int(rng.integers(len(forms)))]
    return (x,), form, bound


@often(2)
def moving_places(pool: Pool) -> Made:
    x, i, rng = pool.pick(rank=1), pool.pick("iu", ()), pool.rng
    if x is None or i is None:
        return None
    n = pool.kinds[x].shape[0]
    many = pool.pick("i", rank=1)
    forms: list[Callable[[Any, Any], Any]] = [
        lambda x, i: lax.dynamic_index_in_dim(x, i, 0, False),
        lambda x, i: lax.dynamic_slice_in_dim(x, i, max(1, n // 2), 0),
        lambda x, i: x.at[i].get(mode="clip"),
        lambda x, i: x.at[i].get(mode="promise_in_bounds") if n >= 8 else x.at[i % n].get(mode="clip"),
        lambda x, i: x.at[jnp.minimum(i, n - 1)].add(0.5, mode="promise_in_bounds"),
    ]
    if many is not None and rng.random() < 0.5:
        return (x, many), lambda x, i: x.at[jnp.abs(i) % n].get(mode="clip"), 2.0
    return (x, i), forms[int(rng.integers(len(forms)))], 4.0
