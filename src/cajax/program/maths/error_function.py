"""The error function, its complement and its inverse."""

import math

from cajax.program.maths.coefficients import ERF, ERF_INV, ERFCX
from cajax.program.maths.exponential import exp_of_minus
from cajax.program.maths.logarithm import log
from cajax.program.maths.number import Number, at_most, fma, polynomial


def erf(x: Number) -> Number:
    """Return the error function: a polynomial in x² below 1, one minus the complement above."""
    square = x * x
    near = fma(x, polynomial(square, ERF[x.reg.kind]), x)
    far = (1.0 - _complement(abs(x))).call("copysign", x)
    return (abs(x) < 1.0).where(near, far)


def erfc(x: Number) -> Number:
    """Return 1 − erf x, with its tail."""
    y = _complement(abs(x))
    return (x < 0.0).where(2.0 - y, y)


def erf_inv(x: Number) -> Number:
    """Return the inverse of the error function: x p(w), w = −log(1 − x²), after Giles (2010), by zones of w."""
    w = -log(fma(-x, x, 1.0))
    root = w.call("sqrt")
    first, *others = ERF_INV[x.reg.kind]
    v, coefficients = w - first.middle, [x.of(c) for c in first.coefficients]
    for zone in others:
        inside = w >= zone.start
        v = inside.where(root - zone.middle, v)
        coefficients = [inside.where(new, c) for c, new in zip(coefficients, zone.coefficients, strict=True)]
    return abs(x).equals(1.0).where(x * math.inf, x * polynomial(v, coefficients))


def _complement(x: Number) -> Number:
    """Return erfc x of x ≥ 0: e^(−x²) q p(t), q = k / (k + x), t = 2 q − 1; x² in two words."""
    middle, cap = {"f32": (3.0, 10.2), "f64": (4.0, 27.4)}[x.reg.kind]
    a = at_most(x, cap)
    square = a * a
    below = a + middle
    inverse = 1.0 / below
    q = middle * inverse
    # What q lost to rounding: half of a last place of q is several of erfc's where x is small.
    q_low = inverse * (fma(-q, below, q.of(middle)) - q * (a - (below - middle)))
    p = polynomial(fma(q, 2.0, -1.0) + (q_low + q_low), ERFCX[x.reg.kind])
    return exp_of_minus(square, fma(a, a, -square), fma(q, p, q_low * p))
