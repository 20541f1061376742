"""Elementary functions as LLVM text: each appends instructions to a block and returns the register of the result.

All take `(block, x, …)` with scalars or vectors of one kind, "f32" or "f64". They have no branches, call no library,
and set no fast-math flag: the bits depend neither on the width nor on the processor, provided it has fused
multiply-add and rounding instructions (on x86, FMA and SSE4.1; without them LLVM calls the C library). Subnormal
numbers count; where the processor is set to flush them to 0, as XLA sets it, normal results keep their bits (but of
`rem` near the smallest numbers). NaN in gives NaN out, where IEEE 754 does not say otherwise (`pow`).
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from cajax.program.block import Block, Reg
from cajax.program.maths import error_function, exponential, logarithm, power, rounding, trigonometric
from cajax.program.maths.number import Number


def _on_registers(function: Callable[..., Number]) -> Callable[..., Reg]:
    @wraps(function)
    def append(block: Block, *operands: Any) -> Reg:
        return function(*(Number(block, x) if isinstance(x, Reg) else x for x in operands)).reg

    return append


def exp_pair(block: Block, x: Reg) -> tuple[Reg, Reg]:
    """Return e^x and e^−x; see `exponential.exp_pair`."""
    first, second = exponential.exp_pair(Number(block, x))
    return first.reg, second.reg


exp = _on_registers(exponential.exp)
exp2 = _on_registers(exponential.exp2)
expm1 = _on_registers(exponential.expm1)
tanh = _on_registers(exponential.tanh)
logistic = _on_registers(exponential.logistic)
sinh = _on_registers(exponential.sinh)
cosh = _on_registers(exponential.cosh)

log = _on_registers(logarithm.log)
log2 = _on_registers(logarithm.log2)
log1p = _on_registers(logarithm.log1p)

sqrt = _on_registers(power.sqrt)
rsqrt = _on_registers(power.rsqrt)
cbrt = _on_registers(power.cbrt)
pow = _on_registers(power.pow)
integer_pow = _on_registers(power.integer_pow)

sin = _on_registers(trigonometric.sin)
cos = _on_registers(trigonometric.cos)
tan = _on_registers(trigonometric.tan)
asin = _on_registers(trigonometric.asin)
acos = _on_registers(trigonometric.acos)
atan = _on_registers(trigonometric.atan)
atan2 = _on_registers(trigonometric.atan2)

erf = _on_registers(error_function.erf)
erfc = _on_registers(error_function.erfc)
erf_inv = _on_registers(error_function.erf_inv)

floor = _on_registers(rounding.floor)
ceil = _on_registers(rounding.ceil)
round_half_even = _on_registers(rounding.round_half_even)
round_half_away = _on_registers(rounding.round_half_away)
sign = _on_registers(rounding.sign)
abs = _on_registers(rounding.absolute)
maximum = _on_registers(rounding.maximum)
minimum = _on_registers(rounding.minimum)
is_finite = _on_registers(rounding.is_finite)
rem = _on_registers(rounding.rem)
