"""Logarithms: x = 2^e m with m between √½ and √2, and log m from s = f / (2 + f), f = m − 1, log m = 2 artanh s."""

import math

from cajax.program.maths.coefficients import LN2, LOG, LOG2E
from cajax.program.maths.number import Number, fma, polynomial


def log(x: Number) -> Number:
    """Return the natural logarithm: −∞ of zero, NaN of negative numbers, right for denormal ones."""
    exponent, f = exponent_and_fraction(x)
    ln2, ln2_low = LN2[x.reg.kind]
    s = f / (f + 2.0)
    z = s * s
    half_square = f * (f * 0.5)
    rest = fma(z, polynomial(z, LOG[x.reg.kind]), half_square)
    y = fma(exponent, ln2, f - (half_square - fma(s, rest, exponent * ln2_low)))
    y = x.equals(math.inf).where(x, y)
    edge = x.equals(0.0).where(x.of(-math.inf), math.nan)
    return (x > 0.0).where(y, edge)


def log2(x: Number) -> Number:
    """Return the logarithm to base 2; of powers of 2 it is exact."""
    exponent, f = exponent_and_fraction(x)
    log2e, log2e_low = LOG2E[x.reg.kind]
    s = f / (f + 2.0)
    z = s * s
    half_square = f * (f * 0.5)
    rest = s * fma(z, polynomial(z, LOG[x.reg.kind]), half_square)
    # log m = f + tail; only f has to be multiplied exactly.
    tail = rest - half_square
    main = f * log2e
    main_low = fma(tail, log2e, fma(f, log2e_low, fma(f, log2e, -main)))
    total = exponent + main
    y = total + ((main - (total - exponent)) + main_low)
    y = x.equals(math.inf).where(x, y)
    edge = x.equals(0.0).where(x.of(-math.inf), math.nan)
    return (x > 0.0).where(y, edge)


def log1p(x: Number) -> Number:
    """Return log(1 + x) without cancellation: the logarithm of the rounded sum, and what rounding lost over the sum."""
    total = x + 1.0
    most = total - 1.0
    lost = (1.0 - (total - most)) + (x - most)
    y, correction = log(total), lost / total
    # Zero and infinity have no correction; the last choice keeps −0.
    y = correction.is_nan().where(y, y + correction)
    return (abs(x) < 2.0**-60).where(x, y)


def exponent_and_fraction(x: Number) -> tuple[Number, Number]:
    """Return e and f with x = 2^e (1 + f), 1 + f between √½ and √2, for x > 0 and finite."""
    form = x.format
    lift = form.mantissa + 2
    small = x < form.tiny
    bits = small.where(x * 2.0**lift, x).bits()
    shifted = bits - (form.bits(math.sqrt(0.5)) - (form.bias << form.mantissa))
    start = 2.0**form.mantissa + form.bias
    exponent = ((shifted >> form.mantissa) | form.bits(2.0**form.mantissa)).real()
    exponent = exponent - small.where(x.of(start + lift), start)
    fraction = (shifted & ((1 << form.mantissa) - 1)) + form.bits(math.sqrt(0.5))
    return exponent, fraction.real() - 1.0
