"""Powers and roots."""

import math

from cajax.program.maths.coefficients import POW, THIRD, TWO_LOG2E
from cajax.program.maths.exponential import exp2_of_sum
from cajax.program.maths.logarithm import exponent_and_fraction
from cajax.program.maths.number import Number, fma, polynomial


def sqrt(x: Number) -> Number:
    """Return the square root, rightly rounded."""
    return x.call("sqrt")


def rsqrt(x: Number) -> Number:
    """Return 1 / √x."""
    return 1.0 / x.call("sqrt")


def cbrt(x: Number) -> Number:
    """Return the cube root: x^(−1/3) guessed from the bits, two steps of fourth order, and a last one in two words."""
    form, size = x.format, abs(x)
    # Small numbers are lifted far enough for the last step's remainder to be normal.
    low, lift = (2.0**-60, 72) if form.whole == "i32" else (2.0**-800, 216)
    small = size < low
    a = small.where(size * 2.0**lift, size)
    # The bits as a whole number are nearly the logarithm: −1/3 of them, and the exponent of 1, make the guess.
    drop = 9 if form.whole == "i32" else 12
    unit = 2.0**form.mantissa
    share = ((a.bits() >> drop) | form.bits(unit)).real() - unit
    guess = (form.bias * 4 / 3 - 0.05) * 2.0 ** (form.mantissa - drop)
    y = (fma(share, -1 / 3, guess + unit).bits() << drop).real()
    for _ in range(2):
        h = fma(-(a * y), y * y, 1.0)
        y = fma(y * h, fma(h, fma(h, 14 / 81, 2 / 9), 1 / 3), y)
    square = y * y
    root = a * square
    root_square = root * root
    missing = fma(-root_square, root, a) - root * fma(root, root, -root_square)
    root = fma(missing * square, 1 / 3, root)
    root = small.where(root * 2.0 ** (-lift // 3), root).call("copysign", x)
    return ((size > 0.0) & (size < math.inf)).where(root, x)


def integer_pow(x: Number, n: int) -> Number:
    """Return x^n by repeated squaring; a negative power is 1 over the positive one, as JAX has it."""
    result, square, left = None, x, abs(n)
    while left:
        if left & 1:
            result = square if result is None else result * square
        left >>= 1
        if left:
            square = square * square
    if result is None:
        return Number(x.block, x.block.alike(x.of(1.0).reg, x.reg)[0])
    return 1.0 / result if n < 0 else result


def pow(x: Number, y: Number) -> Number:
    """Return x^y by the rules of IEEE 754: 2^(y log₂ |x|) with the logarithm in two words, then sign and edges."""
    size = abs(x)
    high, low = _log2_in_two_words(size)
    high = size.equals(0.0).where(-math.inf, (size < math.inf).where(high, size))
    e = y * high
    e_low = fma(y, low, fma(y, high, -e))
    # Beyond this the result is 0 or ∞ and the low word may be NaN.
    e_low = (abs(e) < 4.0 * x.format.bias).where(e_low, 0.0)
    return _with_edges(x, y, exp2_of_sum(e, e_low))


def _with_edges(x: Number, y: Number, power: Number) -> Number:
    """Return x^y, given |x|^y."""
    half = y * 0.5
    whole, even = y.call("trunc").equals(y), half.call("trunc").equals(half)
    odd_sign = (whole & (x.bits() < 0)).where(even.where(0, x.of(-0.0).bits()), 0)
    result = (power.bits() | odd_sign).real()
    result = ((x < 0.0) & (x > -math.inf)).where(whole.where(result, math.nan), result)
    # (±1)^±∞ = 1, 1^NaN = 1, NaN^0 = 1.
    one = x.equals(1.0) | y.equals(0.0) | (abs(x).equals(1.0) & abs(y).equals(math.inf))
    return one.where(1.0, result)


def _log2_in_two_words(x: Number) -> tuple[Number, Number]:
    """Return log₂ x of positive, finite x as a sum of two words.

    log₂ m = S (1 + w) with s = f / (2 + f), S = 2 s log₂ e, w = s² / 3 + s⁴ (1/5 + …).
    """
    kind = x.reg.kind
    exponent, f = exponent_and_fraction(x)
    below = f + 2.0
    below_low = f - (below - 2.0)
    inverse = 1.0 / below
    s = f * inverse
    s_low = inverse * fma(-s, below_low, fma(-s, below, f))
    scale, scale_low = TWO_LOG2E[kind]
    main = s * scale
    main_low = fma(s, scale_low, fma(s_low, scale, fma(s, scale, -main)))
    z = s * s
    z_low = fma(s + s, s_low, fma(s, s, -z))
    third, third_low = THIRD[kind]
    w = z * third
    w_low = fma(z, third, -w) + fma(z_low, third, fma(z, third_low, z * z * polynomial(z, POW[kind])))
    more = main * w
    more_low = fma(main, w_low, fma(main_low, w, fma(main, w, -more)))
    first = exponent + main
    first_low = main - (first - exponent)
    high = first + more
    high_low = more - (high - first)
    low = (first_low + high_low) + (main_low + more_low)
    total = high + low
    return total, low - (total - high)
