"""Exponentials: e^x, 2^x, e^x − 1, and the hyperbolic functions.

x = n ln 2 + r with |r| ≤ ln 2 / 2 (Cody and Waite's reduction in two parts; n comes from adding a magic number, whose
low bits then hold n), a polynomial in r, and a product with 2ⁿ.
"""

from typing import NamedTuple, final

from cajax.program.maths.coefficients import COSH, EXP, LN2, LOG2E, SINH
from cajax.program.maths.number import Number, at_least, at_most, fma, polynomial


@final
class Reduced(NamedTuple):
    """An argument reduced: n, the rest r, what rounding r left over, and (n + 2 bias) shifted to the exponent."""

    n: Number
    r: Number
    rest: Number
    top: Number


def exp(x: Number) -> Number:
    """Return e^x: at most 1 ulp where the result is normal, right to one unit where it is not."""
    low, high = {"f32": (-104.5, 89.5), "f64": (-746.0, 710.5)}[x.reg.kind]
    _, r, top = _reduced(at_most(at_least(x, low), high))
    return _scaled(_power(r), top, x)


def exp_pair(x: Number) -> tuple[Number, Number]:
    """Return e^x and e^−x, the second as a quotient: a division is a fifth to a quarter of an exponential.

    The second is right to 2 ulp while the first is normal, |x| ≤ 87 (single) or 708 (double); beyond, digits that a
    denormal or infinite e^x does not have are missing from it.
    """
    y = exp(x)
    return y, 1.0 / y


def exp2(x: Number) -> Number:
    """Return 2^x."""
    return exp2_of_sum(x, None)


def exp2_of_sum(x: Number, low: Number | None) -> Number:
    """Return 2^(x + low), where `low` is far below 1."""
    bias, magic = x.format.bias, x.format.magic
    y = at_most(at_least(x, -bias - x.format.mantissa - 2.0), bias + 1.5)
    shift = magic + 2 * bias
    t = y + shift
    f = y - (t - shift)
    f = f if low is None else f + low
    ln2, ln2_low = LN2[x.reg.kind]
    r = f * ln2
    rest = fma(f, ln2_low, fma(f, ln2, -r))
    return _scaled(r + _beyond(r, rest) + 1.0, t.bits() << x.format.mantissa, x)


def expm1(x: Number) -> Number:
    """Return e^x − 1 without cancellation."""
    low, high = {"f32": (-18.0, 88.8), "f64": (-38.0, 709.8)}[x.reg.kind]
    reduced = _reduced_exactly(at_most(at_least(x, low), high))
    half = _two_to(reduced.top, x, -1)
    y = fma(half, reduced.r + _beyond(reduced.r, reduced.rest), half - 0.5)
    # The rest keeps −0 and does not halve denormal numbers.
    return (abs(x) < 2.0**-60).where(x, y + y)


def tanh(x: Number) -> Number:
    """Return (e^2x − 1) / (e^2x + 1)."""
    cap = {"f32": 20.0, "f64": 40.0}[x.reg.kind]
    reduced = _reduced_exactly(at_most(abs(x) * 2.0, cap))
    power = _two_to(reduced.top, x, 0)
    above = fma(power, reduced.r + _beyond(reduced.r, reduced.rest), power - 1.0)
    return _over_sum(above, above, 2.0).call("copysign", x)


def logistic(x: Number) -> Number:
    """Return 1 / (1 + e^−x), right in both tails."""
    z = exp_of_minus(abs(x), None)
    return _over_sum((x.bits() < 0).where(z, 1.0), z, 1.0)


def sinh(x: Number) -> Number:
    """Return (e^x − e^−x) / 2."""
    difference, total, c, s = _halves(x)
    y = difference + fma(difference, c, total * s)
    return (abs(x) < 2.0**-30).where(x, (y + y).call("copysign", x))


def cosh(x: Number) -> Number:
    """Return (e^x + e^−x) / 2."""
    difference, total, c, s = _halves(x)
    y = total + fma(total, c, difference * s)
    return y + y


def exp_of_minus(x: Number, low: Number | None, times: Number | None = None) -> Number:
    """Return times · e^−(x + low) for x ≥ 0, where `low` is far below 1."""
    cap = {"f32": 104.5, "f64": 746.0}[x.reg.kind]
    _, r, top = _reduced(-at_most(x, cap))
    p = _power(r if low is None else r - low)
    factor = 2.0 ** -((x.format.bias + 1) // 2)
    power = (top - x.format.bits(factor)).real()
    return (p if times is None else p * times) * power * factor


def _over_sum(above: Number, x: Number, c: float) -> Number:
    """Return above / (x + c) with what the sum and the quotient lost to rounding put back."""
    below = x + c
    inverse = 1.0 / below
    ratio = above * inverse
    missing = fma(-ratio, below, above) - ratio * (x - (below - c))
    return fma(missing, inverse, ratio)


def _reduced(x: Number) -> tuple[Number, Number, Number]:
    """Return n, r, and (n + 2 bias) shifted to where the exponent is."""
    shift = x.format.magic + 2 * x.format.bias
    ln2, ln2_low = LN2[x.reg.kind]
    t = fma(x, LOG2E[x.reg.kind][0], shift)
    n = t - shift
    return n, fma(n, -ln2_low, fma(n, -ln2, x)), t.bits() << x.format.mantissa


def _reduced_exactly(x: Number) -> Reduced:
    shift = x.format.magic + 2 * x.format.bias
    ln2, ln2_low = LN2[x.reg.kind]
    t = fma(x, LOG2E[x.reg.kind][0], shift)
    n = t - shift
    first = fma(n, -ln2, x)
    r = fma(n, -ln2_low, first)
    return Reduced(n, r, fma(n, -ln2_low, first - r), t.bits() << x.format.mantissa)


def _power(r: Number) -> Number:
    """Return e^r for |r| ≤ ln 2 / 2. Written 1 + r (1 + r q), its last sums round small factors of small numbers."""
    return fma(r, fma(r, _series(r), 1.0), 1.0)


def _beyond(r: Number, rest: Number) -> Number:
    """Return e^(r + rest) − 1 − r, where `rest` is below the last place of r."""
    return fma(r * r, _series(r), rest)


def _series(r: Number) -> Number:
    return polynomial(r, EXP[r.reg.kind])


def _scaled(p: Number, top: Number, x: Number) -> Number:
    """Return p · 2ⁿ in two products, since 2ⁿ alone may be no number: the second is fixed and depends on x's sign."""
    half = (x.format.bias + 1) // 2
    factor = (x.bits() < 0).where(x.of(2.0**-half), 2.0**half)
    return p * (top - factor.bits()).real() * factor


def _two_to(top: Number, x: Number, more: int) -> Number:
    """Return 2^(n + more), which must be normal."""
    return (top - ((x.format.bias - more) << x.format.mantissa)).real()


def _halves(x: Number) -> tuple[Number, Number, Number, Number]:
    """Return (2ⁿ ∓ 2⁻ⁿ) / 4, cosh r − 1 and sinh r of |x|.

    From them sinh x / 2 = difference · cosh r + total · sinh r, and cosh x / 2 the other way round.
    """
    cap = {"f32": 89.5, "f64": 710.5}[x.reg.kind]
    _, r, top = _reduced(at_most(abs(x), cap))
    up = _two_to(top, x, -2)
    bits = top.of((3 * x.format.bias - 2) << x.format.mantissa) - top
    down = (bits < 0).where(0, bits).real()
    square = r * r
    c = square * polynomial(square, COSH[x.reg.kind])
    s = fma(r * square, polynomial(square, SINH[x.reg.kind]), r)
    return up - down, up + down, c, s
