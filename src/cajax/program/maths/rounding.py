"""Rounding, signs, extremes and remainders."""

import math

from cajax.program.maths.number import Number, fma


def floor(x: Number) -> Number:
    """Return the largest whole number not above x."""
    return x.call("floor")


def ceil(x: Number) -> Number:
    """Return the smallest whole number not below x."""
    return x.call("ceil")


def round_half_even(x: Number) -> Number:
    """Return the nearest whole number, of two the even one."""
    return x.call("roundeven")


def round_half_away(x: Number) -> Number:
    """Return the nearest whole number, of two the larger one in size."""
    return x.call("round")


def sign(x: Number) -> Number:
    """Return −1, 1, or x itself where it is ±0 or NaN."""
    return (abs(x) > 0.0).where(x.of(1.0).call("copysign", x), x)


def absolute(x: Number) -> Number:
    """Return |x|."""
    return abs(x)


def maximum(x: Number, y: Number) -> Number:
    """Return the larger, NaN if either is NaN."""
    return x.is_nan().where(x, (x > y).where(x, y))


def minimum(x: Number, y: Number) -> Number:
    """Return the smaller, NaN if either is NaN."""
    return x.is_nan().where(x, (x < y).where(x, y))


def is_finite(x: Number) -> Number:
    """Return whether x is neither infinite nor NaN."""
    return abs(x) < math.inf


def rem(x: Number, y: Number) -> Number:
    """Return x − y trunc(x / y) with the sign of x, exactly, as C's fmod.

    Each of two steps takes off a mantissa's worth of quotient; |x / y| above 2⁴⁶ (single) or 2¹⁰⁴ (double) gives NaN.
    """
    size, step = abs(x), abs(y)
    r = size
    for _ in range(2):
        r = fma(-(r / step).call("trunc"), step, r)
    r = (r < 0.0).where(r + step, r)
    r = (r >= step).where(r - step, r)
    valid = (r >= 0.0) & (r < step)
    r = valid.where(r, math.nan)
    within = step.equals(math.inf) & (size < math.inf)
    return within.where(size, r).call("copysign", x)
