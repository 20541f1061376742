"""Trigonometric functions and their inverses.

Sine, cosine and tangent subtract a multiple n of π/2 in three parts (Cody and Waite), each product exact in a fused
multiply-add. The error stays below 2 ulp (3 of the tangent) to |x| = 10⁵ and below 6 ulp to 2²² in single and 2⁴⁹ in
double precision. Beyond, where n has too few digits left, they return NaN rather than a number that means nothing.
"""

from cajax.program.maths.coefficients import ASIN, ATAN, COS, HALF_PI, QUARTER_PI, SIN, TURN, TWO_OVER_PI
from cajax.program.maths.number import Number, fma, polynomial


def sin(x: Number) -> Number:
    """Return the sine."""
    quadrant, s, c = _sine_and_cosine(x)
    return _turned(quadrant, s, c)


def cos(x: Number) -> Number:
    """Return the cosine."""
    quadrant, s, c = _sine_and_cosine(x)
    return _turned(quadrant + 1, s, c)


def tan(x: Number) -> Number:
    """Return the tangent."""
    quadrant, s, c = _sine_and_cosine(x)
    flip = quadrant << x.format.mantissa + (8 if x.format.whole == "i32" else 11)
    odd = flip < 0
    y = odd.where(c, s) / odd.where(s, c)
    return (y.bits() ^ flip & x.format.sign).real()


def atan(x: Number) -> Number:
    """Return the arc tangent."""
    return _angle(abs(x), x.of(1.0), None).call("copysign", x)


def atan2(y: Number, x: Number) -> Number:
    """Return the angle of the point (x, y), between −π and π."""
    # The sum of the two must not overflow, and their comparison needs all digits of denormal ones.
    large = abs(x) + abs(y) > 2.0 ** (x.format.bias - 60)
    scale = large.where(x.of(0.25), 2.0 ** (x.format.mantissa + 4))
    return _angle(abs(y) * scale, abs(x) * scale, x).call("copysign", y)


def asin(x: Number) -> Number:
    """Return the arc sine."""
    far, y = _arc_sine_part(x)
    half_pi, half_pi_low = HALF_PI[x.reg.kind]
    return far.where(half_pi - ((y + y) - half_pi_low), y).call("copysign", x)


def acos(x: Number) -> Number:
    """Return the arc cosine."""
    far, y = _arc_sine_part(x)
    half_pi, half_pi_low = HALF_PI[x.reg.kind]
    signed = y.call("copysign", x)
    near = half_pi - (signed - half_pi_low)
    turned = (2.0 * half_pi) - ((y + y) - 2.0 * half_pi_low)
    return far.where((x < 0.0).where(turned, y + y), near)


def _sine_and_cosine(x: Number) -> tuple[Number, Number, Number]:
    """Return n (in the low bits) and the sine and cosine of x − n π/2."""
    form, kind = x.format, x.reg.kind
    t = fma(x, TWO_OVER_PI[kind], form.magic)
    n = t - form.magic
    r = x
    for part in TURN[kind]:
        r = fma(n, -part, r)
    limit = {"f32": 2.0**22, "f64": 2.0**49}[kind]
    r = (abs(x) <= limit).where(r, float("nan"))
    square = r * r
    s = fma(r * square, polynomial(square, SIN[kind]), r)
    c = fma(square, fma(square, polynomial(square, COS[kind]), -0.5), 1.0)
    return t.bits(), s.call("copysign", r), c


def _turned(quadrant: Number, s: Number, c: Number) -> Number:
    """Return the sine after a number of quarter turns."""
    top = s.format.mantissa + (8 if s.format.whole == "i32" else 11)
    y = ((quadrant << top) < 0).where(c, s)
    return (y.bits() ^ (quadrant << top - 1) & s.format.sign).real()


def _angle(above: Number, below: Number, side: Number | None) -> Number:
    """Return the angle of the point (±below, above), both at least 0; `side` has the sign of the first.

    The tangent is taken of the angle to the nearest multiple of π/4, which is at most tan π/8.
    """
    kind = above.reg.kind
    swap = above > below
    small, large = swap.where(below, above), swap.where(above, below)
    equal = small.equals(large)
    far = small > large * 0.41421356237309503
    ratio = far.where(small - large, small) / far.where(small + large, large)
    square = ratio * ratio
    y = fma(ratio * square, polynomial(square, ATAN[kind]), ratio)
    count = far.where(y.of(1.0), 0.0)
    # 0 / 0 and ∞ / ∞: the axis, and the diagonal.
    y = equal.where(0.0, y)
    count = equal.where((small > 0.0).where(y.of(1.0), 0.0), count)
    y, count = swap.where(-y, y), swap.where(2.0 - count, count)
    if side is not None:
        left = side.bits() < 0
        y, count = left.where(-y, y), left.where(4.0 - count, count)
    quarter, quarter_low = QUARTER_PI[kind]
    return fma(count, quarter, fma(count, quarter_low, y))


def _arc_sine_part(x: Number) -> tuple[Number, Number]:
    """Return whether |x| > ½, and arcsin of |x|, or there of √((1 − |x|) / 2), which is half of π/2 − arcsin |x|."""
    size = abs(x)
    far = size > 0.5
    square = far.where((1.0 - size) * 0.5, size * size)
    s = far.where(square.call("sqrt"), size)
    return far, fma(s * square, polynomial(square, ASIN[x.reg.kind]), s)
