import ctypes
import ctypes.util
import itertools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from random_forests import Case, case, dense

from cajax.solve import Tree, due, n_edges, n_entries, solve

TYPES = {"f32": np.float32, "f64": np.float64, "i32": np.int32, "u8": np.uint8}
WIDTHS = {"f32": (1, 4, 8, 16), "f64": (1, 2, 4, 8)}
TILES = [(short, width) for short, widths in WIDTHS.items() for width in widths]
tiles = pytest.mark.parametrize(("short", "width"), TILES)
FORESTS = {
    "one tree": [(40, 1)],
    "a large tree": [(700, 1)],
    "cells": [(17, 3), (5, 1), (9, 20)],
    "many cells": [(12, 37)],
    "small trees": [(7, 1)] * 12,
    "points": [(1, 100), (1, 1), (1, 3), (30, 1), (1, 1), (2, 2), (1, 9)],
    "past a stand": [(300, 1), (300, 1), (1, 5), (300, 1)],
}


def pointer(x: np.ndarray | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if x is None else x.ctypes.data)


def call(function: object, *arguments: object) -> None:
    """Whole numbers are 64 bits wide; a pair is a width or another `int`."""
    given = [
        pointer(x)
        if x is None or isinstance(x, np.ndarray)
        else ctypes.c_bool(x)
        if isinstance(x, bool)
        else ctypes.c_int(x[0])
        if isinstance(x, tuple)
        else ctypes.c_int64(x)
        if isinstance(x, int)
        else x
        for x in arguments
    ]
    assert function(*given) == 0


def tile(x: np.ndarray, wide: bool) -> np.ndarray:
    """[lane, n] as it lies on a tile: [n, lane], or [n] of the first lane."""
    return np.ascontiguousarray(x.T if wide else x[0])


def same_bits(x: np.ndarray, y: np.ndarray) -> None:
    unsigned = {4: np.uint32, 8: np.uint64, 1: np.uint8}[x.dtype.itemsize]
    assert x.dtype == y.dtype
    np.testing.assert_array_equal(
        np.ascontiguousarray(x).view(unsigned), np.ascontiguousarray(y).view(unsigned)
    )


# --- the tree solve ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Forest:
    """A forest that the library has prepared."""

    library: ctypes.CDLL
    trees: tuple[Tree, ...]

    def __enter__(self) -> ctypes.c_void_p:
        parent = np.concatenate([t.parent for t in self.trees])
        cv = np.concatenate([t.cv for t in self.trees])
        nodes = np.array([t.n_nodes for t in self.trees], np.int32)
        lanes = np.array([t.lanes for t in self.trees], np.int32)
        prepare = self.library.cajax_op_forest
        prepare.restype = ctypes.c_void_p
        tables = [pointer(x) for x in (parent, cv, nodes, lanes)]
        object.__setattr__(self, "handle", ctypes.c_void_p(prepare(*tables, ctypes.c_int64(len(nodes)))))
        return self.handle

    def __exit__(self, *error: object) -> None:
        self.library.cajax_op_forest_free(self.handle)


def sizes(library: ctypes.CDLL, forest: ctypes.c_void_p) -> list[int]:
    numbers = np.zeros(3, np.int64)
    library.cajax_op_forest_sizes(forest, pointer(numbers))
    return numbers.tolist()


def solved(library, some: Case, a, g, b, short: str, wide: tuple[bool, bool, bool], in_place: bool = False):
    """The solution [lane, cv] of operands [lane, n]; what is narrow is that of the first lane."""
    width = len(a)
    with Forest(library, some.forest) as forest:
        cvs, junctions, edges = sizes(library, forest)
        assert (cvs, edges) == (n_entries(some.forest), n_edges(some.forest))
        shape = (width,) if any(wide) else ()
        rows = {"a": (a, wide[0]), "b": (b, wide[2])}
        work = {}
        for name, (x, is_wide) in rows.items():
            spare = np.full((junctions, *((width,) if is_wide else ())), np.nan, x.dtype)
            work[name] = np.concatenate([tile(x, is_wide), spare])
        x = work["b"] if in_place else np.full((cvs + junctions, *shape), np.nan, a.dtype)
        count = library.cajax_op_solve_scratch
        count.restype = ctypes.c_int64
        needed = count(forest, ctypes.c_int(width), *(ctypes.c_bool(w) for w in wide))
        scratch = np.full(needed, np.nan, a.dtype)
        conductances = tile(g, wide[1])
        function = getattr(library, f"cajax_op_solve_{short}")
        call(
            function,
            forest,
            (width,),
            work["a"],
            wide[0],
            conductances,
            wide[1],
            work["b"],
            wide[2],
            x,
            scratch,
        )
        np.testing.assert_array_equal(conductances, tile(g, wide[1]))
        return x[:cvs].T if any(wide) else np.repeat(x[None, :cvs], width, 0)


def outside(some: Case):
    """The compiled solve of single operations, of a batch."""
    return jax.jit(jax.vmap(lambda a, g, b: solve(some.forest, a, g, b, backend="native")))


@pytest.mark.parametrize("sizes", FORESTS.values(), ids=FORESTS.keys())
@tiles
def test_solve_has_the_bits_of_the_solve_outside(library, short, width, sizes):
    some = case(len(sizes) + width, sizes)
    operands = some.operands(width, dtype=TYPES[short])
    reference = outside(some)
    for wide in itertools.product([False, True], repeat=3) if width > 1 else [(False,) * 3]:
        a, g, b = (x if w else np.repeat(x[:1], width, 0) for x, w in zip(operands, wide, strict=True))
        expected = np.asarray(reference(*(jnp.asarray(x) for x in (a, g, b))))
        same_bits(solved(library, some, a, g, b, short, wide), expected)
        if wide[2] or not any(wide):
            same_bits(solved(library, some, a, g, b, short, wide, in_place=True), expected)


def test_solve_solves(library):
    some = case(3, [(25, 2), (8, 1), (1, 4)])
    a, g, b = some.operands(1)
    x = solved(library, some, a, g, b, "f64", (False, False, False))
    np.testing.assert_allclose(dense(some.forest, a[0], g[0]) @ x[0], b[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_solve_of_any_forest(library, seed):
    rng = np.random.default_rng(seed)
    sizes = [(int(rng.integers(1, 40)), int(rng.integers(1, 5) ** 2)) for _ in range(rng.integers(1, 6))]
    some = case(seed, sizes)
    for short, width in (("f32", 8), ("f64", 1)):
        a, g, b = some.operands(width, dtype=TYPES[short])
        expected = np.asarray(outside(some)(*(jnp.asarray(x) for x in (a, g, b))))
        same_bits(solved(library, some, a, g, b, short, (width > 1,) * 3), expected)


@pytest.mark.parametrize("parent, cv", [([-1, 1], [0, 1]), ([-1, 0], [0, 0]), ([-1, 0], [0, 2]), ([-2], [0])])
def test_tables_that_are_no_forest_are_refused(library, parent, cv):
    prepare = library.cajax_op_forest
    prepare.restype = ctypes.c_void_p
    tables = [np.array(x, np.int32) for x in (parent, cv, [len(parent)], [1])]
    assert prepare(*(pointer(x) for x in tables), ctypes.c_int64(1)) is None


# --- sums -------------------------------------------------------------------------------------------------------------


def groups(rng: np.random.Generator, count: int, sources: int) -> tuple[np.ndarray, np.ndarray]:
    """Groups of no entry, of few and of many."""
    lengths = rng.choice([0, 1, 2, 3, 7, 12, 31, 32, 33, 34, 35, 36, 100, 131], count)
    offset = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return offset, rng.integers(0, sources, offset[-1]).astype(np.int32)


def ordered(terms: np.ndarray, start: object, join: object, add: object) -> object:
    """The result of one group, by the rule of the library: one after the other, or four partial sums."""
    partial = [start] * (4 if len(terms) >= 32 else 1)
    for k, term in enumerate(terms):
        partial[k % len(partial)] = add(partial[k % len(partial)], term)
    return (
        join(join(partial[0], partial[1]), join(partial[2], partial[3])) if len(partial) > 1 else partial[0]
    )


@pytest.mark.parametrize("wide", [False, True])
@tiles
def test_sums_in_their_order(library, short, width, wide):
    rng = np.random.default_rng(width)
    offset, index = groups(rng, 60, 50)
    dtype = TYPES[short]
    x = rng.normal(size=(width, 50)).astype(dtype)
    out = np.full((60, width) if wide else 60, np.nan, dtype)
    call(
        getattr(library, f"cajax_op_reduce_{short}"),
        (0,),
        60,
        offset,
        index,
        (width,),
        tile(x, wide),
        wide,
        out,
    )
    for lane in range(width if wide else 1):
        for j in range(60):
            terms = x[lane][index[offset[j] : offset[j + 1]]]
            expected = ordered(terms, dtype(0), np.add, np.add)
            same_bits(out[j, lane : lane + 1] if wide else out[j : j + 1], np.array([expected], dtype))


@pytest.mark.parametrize("kind", [0, 1, 2])
@pytest.mark.parametrize("short", ["f32", "f64", "i32", "u8"])
@pytest.mark.parametrize("width", [1, 2, 4, 8, 16])
def test_sums_and_extremes_of_every_type(library, short, width, kind):
    rng = np.random.default_rng(width + 10 * kind)
    offset, index = groups(rng, 40, 30)
    dtype = TYPES[short]
    x = rng.integers(0, 2 if short == "u8" else 100, (width, 30)).astype(dtype)
    if short[0] == "f" and kind:
        x[rng.random(x.shape) < 0.02] = np.nan
    limits = np.finfo(dtype) if short[0] == "f" else np.iinfo(dtype)
    low, high = (-np.inf, np.inf) if short[0] == "f" else (limits.min, limits.max)
    start = np.array([0, low, high][kind]).astype(dtype)
    reduce = [np.add, np.maximum, np.minimum][kind].reduce
    out = np.empty((40, width), dtype)
    call(
        getattr(library, f"cajax_op_reduce_{short}"),
        (kind,),
        40,
        offset,
        index,
        (width,),
        tile(x, True),
        True,
        out,
    )
    for j in range(40):
        terms = x[:, index[offset[j] : offset[j + 1]]]
        np.testing.assert_array_equal(out[j], reduce(terms, axis=1, dtype=dtype, initial=start))


def fused(short: str) -> object:
    """x * y + z, rounded once, as the C library has it."""
    name, kind = {"f32": ("fmaf", ctypes.c_float), "f64": ("fma", ctypes.c_double)}[short]
    function = getattr(ctypes.CDLL(ctypes.util.find_library("m")), name)
    function.argtypes, function.restype = [kind] * 3, kind
    return lambda z, pair: TYPES[short](function(pair[0], pair[1], z))


@pytest.mark.parametrize("with_edges", [False, True])
@tiles
def test_products_are_fused_and_in_their_order(library, short, width, with_edges):
    rng = np.random.default_rng(width)
    offset, index = groups(rng, 25, 50)
    dtype, entries = TYPES[short], len(index)
    edge = rng.permutation(entries).astype(np.int32) if with_edges else None
    weights, signals = (rng.normal(size=(width, n)).astype(dtype) for n in (entries, 50))
    products = getattr(library, f"cajax_op_products_{short}")
    fma = fused(short)
    for wide_w, wide_s in itertools.product([False, True], repeat=2) if width > 1 else [(False, False)]:
        wide = wide_w or wide_s
        out = np.full((25, width) if wide else 25, np.nan, dtype)
        call(
            products, 25, offset, index, edge, (width,), tile(weights, wide_w), wide_w, tile(signals, wide_s),
            wide_s, out,
        )  # fmt: skip
        for lane in range(width if wide else 1):
            w = weights[lane if wide_w else 0][slice(None) if edge is None else edge]
            s = signals[lane if wide_s else 0][index]
            expected = [
                ordered(list(zip(w[i:j], s[i:j], strict=True)), dtype(0), np.add, fma)
                for i, j in itertools.pairwise(offset)
            ]
            same_bits(out[:, lane] if wide else out, np.array(expected, dtype))


# --- moving data ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("width", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("runs", [False, True])
def test_rows(library, dtype, width, runs):
    rng = np.random.default_rng(width)
    x = rng.integers(0, 200, (70, width)).astype(dtype)
    index = rng.integers(-1, 70, 90)
    if runs:
        index = np.concatenate([np.arange(3, 60), [-1] * 20, np.arange(70), [5], np.arange(40, 50)])
    index, fill = index.astype(np.int32), np.array([7], dtype)
    out = np.empty((len(index), width), dtype)
    call(library.cajax_op_rows, len(index), index, (width,), (x.itemsize,), x, fill, out)
    np.testing.assert_array_equal(out, np.where(index[:, None] < 0, fill, x[index]))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("width", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("n", [1, 3, 4, 64, 131])
def test_transposes(library, dtype, width, n):
    rng = np.random.default_rng(n)
    memory = rng.integers(0, 200, (40, n)).astype(dtype)
    for count in {1, width // 2 or 1, width - 1 or 1, width}:
        inside = np.full((n, width), 99, dtype)
        shape = ((width,), (memory.itemsize,), n)
        call(library.cajax_op_transpose_in, *shape, memory, 11, (count,), inside)
        lanes = 11 + np.minimum(np.arange(width), count - 1)
        np.testing.assert_array_equal(inside, memory[lanes].T)
        back = np.full_like(memory, 99)
        call(library.cajax_op_transpose_out, *shape, inside, 11, (count,), back)
        expected = np.full_like(memory, 99)
        expected[11 : 11 + count] = memory[11 : 11 + count]
        np.testing.assert_array_equal(back, expected)


# --- queued spikes ----------------------------------------------------------------------------------------------------


@tiles
def test_due(library, short, width):
    rng = np.random.default_rng(width)
    slots, cells, edges, dtype = 4, 9, 50, TYPES[short]
    pre = rng.integers(0, cells, edges).astype(np.int32)
    age = rng.uniform(0.0, 2.0, (width, slots * cells)).astype(dtype)
    filled = (rng.random((width, slots * cells)) < 0.5).astype(np.int32)
    delay = rng.choice([0.5, 1.0, 1.5], (width, edges)).astype(dtype)
    dt = rng.choice([0.25, 0.5], (width, 1)).astype(dtype)
    operands = [age, age - dtype(0.25), filled, delay, dt]
    function = getattr(library, f"cajax_op_due_{short}")
    plain = jax.jit(
        lambda a, b, f, d, h: due(
            a.reshape(slots, cells),
            b.reshape(slots, cells),
            f.reshape(slots, cells),
            d,
            h[0],
            pre,
            backend="jax",
        )
    )
    for wide in itertools.product([False, True], repeat=5) if width > 1 else [(False,) * 5]:
        out = np.full((2, edges, *((width,) if any(wide) else ())), 77, np.int32)
        waiting = np.full(cells * (1 + width * (wide[2] and width > 1)), 99, np.uint32)
        given = [y for x, w in zip(operands, wide, strict=True) for y in (tile(x, w), w)]
        call(function, slots, cells, edges, pre, (width,), *given, out[0], out[1], waiting)
        for lane in range(width if any(wide) else 1):
            of = [x[lane if w else 0] for x, w in zip(operands, wide, strict=True)]
            np.testing.assert_array_equal(out[..., lane] if any(wide) else out, np.stack(plain(*of)))


def test_what_there_is_not_is_refused(library):
    empty = np.zeros(1, np.int32)
    reduce = library.cajax_op_reduce_f32
    for kind, width in ((0, 3), (0, 32), (3, 4), (-1, 4)):
        arguments = (
            pointer(empty),
            pointer(empty),
            ctypes.c_int(width),
            pointer(empty),
            False,
            pointer(empty),
        )
        assert reduce(ctypes.c_int(kind), ctypes.c_int64(0), *arguments) == 1
