"""Elementary functions of native programs: errors in units in the last place, edges, and the same bits everywhere."""

import functools
import itertools
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="native programs need llvmlite")

import llvmlite.binding as llvm

from cajax.program import maths
from tests.program.kernels import DTYPES, WIDTHS, Kernel, assembly, compiled, extended, flushing, loop_text

KINDS = ("f32", "f64")
Long = np.longdouble
X86 = llvm.get_process_triple().startswith("x86_64")
x86_only = pytest.mark.skipif(not X86, reason="names processors and instructions of x86-64")
wide_reference = pytest.mark.skipif(
    np.finfo(Long).nmant < 63 or not X86, reason="the reference needs floats of 80 bits"
)


@pytest.fixture(autouse=True)
def _quiet():
    """Infinity and NaN are among the arguments on purpose."""
    with np.errstate(all="ignore"):
        yield


class Case(NamedTuple):
    """A function of one argument: reference, where else to draw arguments from, and ulps that are allowed."""

    reference: Callable[[np.ndarray], np.ndarray]
    span: dict[str, tuple[float, float]]
    ulps: float
    limit: dict[str, float] | None = None
    subnormal: float = 1.0


@functools.cache
def library(name: str) -> Kernel:
    return extended(name)


def both(low: float, high: float) -> dict[str, tuple[float, float]]:
    return {"f32": (low, high), "f64": (low, high)}


def inverse_error_function(x: np.ndarray) -> np.ndarray:
    """Newton's steps from our own value: two of them lose nothing that 80 bits hold."""
    y = compiled(maths.erf_inv, 1, "f64", 8)(x.astype(np.float64)).astype(Long)
    size, target = np.abs(y), np.abs(x)
    for _ in range(2):
        missing = np.where(
            target < 0.5, target - library("erfl")(size), library("erfcl")(size) - (1 - target)
        )
        step = missing * np.sqrt(np.arctan(Long(1))) * np.exp(size * size)
        size = size + np.where(np.isfinite(step), step, 0)
    return np.copysign(size, x)


TURN = {"f32": 1e5, "f64": 1e5}
FAR = {"f32": 2.0**22, "f64": 2.0**49}
CASES = {
    "exp": Case(np.exp, {"f32": (-105, 89), "f64": (-746, 710)}, 1.0),
    "exp2": Case(np.exp2, {"f32": (-150, 128), "f64": (-1075, 1024)}, 1.0),
    "expm1": Case(np.expm1, {"f32": (-20, 89), "f64": (-40, 710)}, 2.0),
    "tanh": Case(np.tanh, {"f32": (-10, 10), "f64": (-20, 20)}, 2.0),
    "sinh": Case(np.sinh, {"f32": (-90, 90), "f64": (-711, 711)}, 2.5),
    "cosh": Case(np.cosh, {"f32": (-90, 90), "f64": (-711, 711)}, 2.0),
    "logistic": Case(lambda x: 1 / (1 + np.exp(-x)), {"f32": (-105, 20), "f64": (-746, 40)}, 2.0),
    "log": Case(np.log, both(0, 3), 1.0),
    "log2": Case(np.log2, both(0, 3), 1.0),
    "log1p": Case(np.log1p, both(-1, 2), 2.0),
    "sqrt": Case(np.sqrt, both(0, 3), 0.5),
    "rsqrt": Case(lambda x: 1 / np.sqrt(x), both(0, 3), 1.5),
    "cbrt": Case(np.cbrt, both(-3, 3), 0.6),
    "sin": Case(np.sin, both(-1e5, 1e5), 2.0, TURN),
    "cos": Case(np.cos, both(-1e5, 1e5), 2.0, TURN),
    "tan": Case(np.tan, both(-1e5, 1e5), 3.0, TURN),
    "asin": Case(np.arcsin, both(-1, 1), 2.5),
    "acos": Case(np.arccos, both(-1, 1), 2.0),
    "atan": Case(np.arctan, both(-5, 5), 2.5),
    "erf": Case(lambda x: library("erfl")(x), both(-6, 6), 2.0),
    "erfc": Case(lambda x: library("erfcl")(x), {"f32": (-5, 11), "f64": (-5, 28)}, 4.5, subnormal=2.0),
    "erf_inv": Case(inverse_error_function, both(-1, 1), 4.0, subnormal=2.0),
    "floor": Case(np.floor, both(-9, 9), 0.0),
    "ceil": Case(np.ceil, both(-9, 9), 0.0),
    "round_half_even": Case(np.rint, both(-9, 9), 0.0),
    "round_half_away": Case(
        lambda x: np.copysign(np.where(np.abs(x) % 1 == 0.5, np.ceil(np.abs(x)), np.rint(np.abs(x))), x),
        both(-9, 9),
        0.0,
    ),
    "sign": Case(lambda x: np.where(x == 0, x, np.sign(x)), both(-2, 2), 0.0),
    "abs": Case(np.abs, both(-2, 2), 0.0),
    "is_finite": Case(lambda x: np.isfinite(x).astype(Long), both(-2, 2), 0.0),
}
PAIRS = ("pow", "atan2", "rem", "maximum", "minimum")


def specials(kind: str) -> np.ndarray:
    """Zeros, subnormal numbers, ends of the range, infinities, NaN, halves, and neighbours of whole numbers."""
    dtype, info = DTYPES[kind], np.finfo(DTYPES[kind])
    ends = [0.0, info.smallest_subnormal, info.tiny / 3, info.tiny, info.max, np.inf, np.nan, info.eps]
    near = [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 7.0, 1e5, 2.0**info.nmant, 2.0 ** (info.nmant + 1)]
    x = np.array(ends + near, dtype)
    x = np.concatenate([x, np.nextafter(x, dtype(np.inf)), np.nextafter(x, dtype(0))])
    return np.concatenate([x, -x])


def arguments(kind: str, span: tuple[float, float], n: int = 100_000, seed: int = 0) -> np.ndarray:
    """Draw from all bit patterns (every binade), from the binades around 1, from a span; and all specials."""
    rng, dtype = np.random.default_rng(seed), DTYPES[kind]
    size = np.dtype(dtype).itemsize
    anything = rng.integers(0, 1 << 8 * size, n, dtype=f"u{size}").view(dtype)
    around = rng.choice([-1.0, 1.0], n) * 2.0 ** rng.uniform(-30 if kind == "f32" else -60, 8, n)
    spread = rng.uniform(*span, n)
    return np.concatenate([anything, around.astype(dtype), spread.astype(dtype), specials(kind)])


def errors(got: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the errors in units in the last place of the true values, and which of these are subnormal.

    Also checks NaN and signs. The value after the largest is 2^emax, which stands for infinity.
    """
    nan = np.isnan(got)
    assert np.array_equal(nan, np.isnan(true)), "NaN in other places"
    assert np.array_equal(np.signbit(got[~nan]), np.signbit(true[~nan])), "another sign"
    info = np.finfo(got.dtype)
    top = Long(2) ** info.maxexp
    unit = np.spacing(np.minimum(np.abs(true), info.max).astype(got.dtype)).astype(Long)
    difference = np.abs(np.clip(got.astype(Long), -top, top) - np.clip(true, -top, top))
    return np.where(nan, 0, difference / np.abs(unit)), np.abs(true) < info.tiny


def check(name: str, kind: str, xs: tuple[np.ndarray, ...], got, true, ulps: float, subnormal: float = 1.0):
    error, low = errors(got, true)
    normal, below = np.where(low, 0, error), np.where(low, error, 0)
    i, j = normal.argmax(), below.argmax()
    at = ", ".join(repr(x[i]) for x in xs)
    print(f"{name} {kind}: {normal[i]:.3f} ulp at {at}; subnormal {below[j]:.3f} at {xs[0][j]!r}")
    assert normal[i] <= ulps and below[j] <= subnormal


@wide_reference
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_errors_in_the_last_place(name, kind):
    case = CASES[name]
    x = arguments(kind, case.span[kind])
    if case.limit:
        x = x[~(np.abs(x) > case.limit[kind])]
    got = compiled(getattr(maths, name), 1, kind, WIDTHS[kind])(x)
    check(name, kind, (x,), got, case.reference(x.astype(Long)), case.ulps, case.subnormal)


@wide_reference
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_large_angles_to_the_documented_limit_and_nan_beyond(name, kind):
    rng, far = np.random.default_rng(1), FAR[kind]
    x = (rng.choice([-1.0, 1.0], 100_000) * 10.0 ** rng.uniform(5, np.log10(far), 100_000)).astype(
        DTYPES[kind]
    )
    x = x[np.abs(x) <= far]
    kernel = compiled(getattr(maths, name), 1, kind, WIDTHS[kind])
    check(name, kind, (x,), kernel(x), CASES[name].reference(x.astype(Long)), 6.0)
    assert np.isnan(kernel(np.array([far * 1.01, -far * 4, np.inf], DTYPES[kind]))).all()


@wide_reference
@pytest.mark.parametrize("kind", KINDS)
def test_pow_of_positive_bases(kind):
    rng, info = np.random.default_rng(2), np.finfo(DTYPES[kind])
    x = np.abs(arguments(kind, (0.5, 2.0)))
    x = x[(x > 0) & np.isfinite(x)]
    scale = rng.uniform(info.minexp - info.nmant - 2, info.maxexp + 1, x.size)
    y = (scale / np.where(x == 1, 1, np.log2(x.astype(np.float64)))).astype(info.dtype)
    got = compiled(maths.pow, 2, kind, WIDTHS[kind])(x, y)
    check("pow", kind, (x, y), got, np.power(x.astype(Long), y.astype(Long)), 2.0)


@wide_reference
@pytest.mark.parametrize("kind", KINDS)
def test_pow_of_all_pairs_of_edges_and_whole_powers(kind):
    dtype = DTYPES[kind]
    pairs = np.array(list(itertools.product(specials(kind), specials(kind))), dtype)
    rng = np.random.default_rng(3)
    whole = np.stack([rng.uniform(-9, 9, 50_000), rng.integers(-30, 30, 50_000)], 1).astype(dtype)
    x, y = np.concatenate([pairs, whole]).T
    got = compiled(maths.pow, 2, kind, WIDTHS[kind])(x, y)
    check("pow", kind, (x, y), got, np.power(x.astype(Long), y.astype(Long)), 2.0)


@wide_reference
@pytest.mark.parametrize("kind", KINDS)
def test_atan2(kind):
    pairs = np.array(list(itertools.product(specials(kind), specials(kind))), DTYPES[kind])
    y = np.concatenate([arguments(kind, (-2, 2), seed=4), pairs[:, 0]])
    x = np.concatenate([arguments(kind, (-2, 2), seed=5), pairs[:, 1]])
    got = compiled(maths.atan2, 2, kind, WIDTHS[kind])(y, x)
    check("atan2", kind, (y, x), got, np.arctan2(y.astype(Long), x.astype(Long)), 2.5)


@wide_reference
@pytest.mark.parametrize("kind", KINDS)
def test_both_exponentials_of_one_reduction(kind):
    reach = {"f32": 87.0, "f64": 708.0}[kind]
    x = np.random.default_rng(6).uniform(-reach, reach, 200_000).astype(DTYPES[kind])
    got = compiled(lambda block, x: maths.exp_pair(block, x)[1], 1, kind, WIDTHS[kind])(x)
    check("exp_pair", kind, (x,), got, np.exp(-x.astype(Long)), 2.0)


@pytest.mark.parametrize("kind", KINDS)
def test_rem_is_exact(kind):
    rng, dtype, digits = np.random.default_rng(7), DTYPES[kind], {"f32": 46, "f64": 104}[kind]
    y = arguments(kind, (-2, 2), seed=8)
    x = (y * 2.0 ** rng.uniform(-5, digits - 1, y.size)).astype(dtype) * rng.choice([-1, 1], y.size).astype(
        dtype
    )
    kernel = compiled(maths.rem, 2, kind, WIDTHS[kind])
    assert same(kernel(x, y), np.fmod(x, y))
    edges = np.array(
        [[np.inf, 2], [np.nan, 2], [2, np.nan], [2, 0], [2, np.inf], [-0.0, 3], [-6, 3]], dtype
    ).T
    assert same(kernel(*edges), np.fmod(*edges))
    assert np.isnan(kernel(np.array([2.0**120], dtype), np.array([3 * 2.0**-5], dtype)))[0]


@pytest.mark.parametrize("kind", KINDS)
def test_extremes_give_nan_if_either_is_nan(kind):
    x, y = np.array(list(itertools.product(specials(kind), specials(kind))), DTYPES[kind]).T
    for name in ("maximum", "minimum"):
        got = compiled(getattr(maths, name), 2, kind, WIDTHS[kind])(x, y)
        assert np.array_equal(got, getattr(np, name)(x, y), equal_nan=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 7, 10, -1, -3])
def test_whole_powers_multiply_in_the_order_of_jax(kind, n):
    # XLA flushes subnormal numbers, so none here.
    x = np.random.default_rng(11).uniform(-3, 3, 1000).astype(DTYPES[kind])
    got = compiled(lambda block, x: maths.integer_pow(block, x, n), 1, kind, WIDTHS[kind])(x)
    expected = np.asarray(jax.jit(jax.lax.integer_pow, static_argnums=1)(x, n))
    assert same(got, expected)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether all bits agree, but for those of NaN."""
    nan = np.isnan(a) & np.isnan(b)
    return a[~nan].tobytes() == b[~nan].tobytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*CASES, *PAIRS])
def test_bits_are_those_of_scalars_at_any_width_and_on_other_processors(name, kind):
    span = CASES[name].span[kind] if name in CASES else (-3, 3)
    xs = tuple(arguments(kind, span, 3000, seed) for seed in (9, 10))[: 2 if name in PAIRS else 1]
    function, count = getattr(maths, name), len(xs)
    first = compiled(function, count, kind, 1)(*xs)
    for width in (4, 8, 16):
        assert same(first, compiled(function, count, kind, width)(*xs)), f"width {width}"
    for cpu in processors():
        assert same(first, compiled(function, count, kind, WIDTHS[kind], cpu)(*xs)), cpu


@x86_only
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*CASES, *(name for name in PAIRS if name != "rem")])
def test_flushing_subnormal_numbers_changes_no_normal_result(name, kind):
    """Of `rem` it may: its remainders of tiny numbers pass through subnormal ones."""
    span = CASES[name].span[kind] if name in CASES else (-3, 3)
    xs = tuple(arguments(kind, span, 20_000, seed) for seed in (12, 13))[: 2 if name in PAIRS else 1]
    text, dtype = loop_text(getattr(maths, name), len(xs), kind, WIDTHS[kind]), DTYPES[kind]
    kept, flushed = (Kernel(t, WIDTHS[kind], dtype)(*xs) for t in (text, flushing(text)))
    plain = np.all([(x == 0) | ~(np.abs(x) < np.finfo(dtype).tiny) for x in (*xs, kept)], axis=0)
    assert same(kept[plain], flushed[plain])


def processors() -> list[str]:
    """Return the levels of x86-64 that this processor reaches: AVX2 with FMA, AVX-512."""
    if not X86:
        return []
    has = llvm.get_host_cpu_features()
    levels = {"x86-64-v3": ("avx2", "fma"), "x86-64-v4": ("avx512f", "avx512vl", "avx512dq", "avx512bw")}
    return [cpu for cpu, features in levels.items() if all(has.get(f) for f in features)]


@x86_only
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*CASES, *PAIRS])
def test_nothing_is_called_and_vectors_do_not_branch(name, kind):
    """Scalars may: x86 has no conditional move of floats. The one jump of a vector is the loop's."""
    for cpu, width in (("x86-64-v3", WIDTHS[kind]), ("x86-64-v4", WIDTHS[kind]), ("x86-64-v3", 1)):
        text = loop_text(getattr(maths, name), 2 if name in PAIRS else 1, kind, width)
        lines = [line.split() for line in assembly(text, cpu).splitlines() if line.startswith("\t")]
        jumps = [words for words in lines if words[0].startswith("j")]
        assert width == 1 or len(jumps) == 1, jumps
        assert not [words for words in lines if words[0].startswith("call")]
