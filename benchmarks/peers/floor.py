"""A floor under the time of a compiled run: the cycles its instructions need, if a core never waited for anything.

What a Zen 4 core starts per cycle, measured with loops of independent instructions: 512 bits of products (fused
ones too), 512 bits of sums, comparisons and choices, one load of 512 bits; half a store. A quotient of 512 bits takes
5 cycles in single and 9 in double precision, while others go on. A kernel takes at least as long as its busiest unit.
Cores with paths of 256 bits need twice as long. Of a tree solve two sums, four products, a quotient and ten accesses
per node.
"""

import re
import time
from typing import Any

QUOTIENT = {4: 5.0, 8: 9.0}
UNITS = {
    "product": r"fmul|@llvm\.fma",
    "sum": r"fadd|fsub|fcmp|select|maxnum|minnum",
    "load": r" load <",
    "store": "store <",
}


class Floors:
    """Sees every program that is compiled; adds up the cycles of one run of those since `begin`."""

    def __init__(self) -> None:
        from cajax.program.build import Building

        self.cycles = 0.0
        before = Building.built

        def built(building: Any, mode: int, *more: Any) -> Any:
            found = before(building, mode, *more)
            # The last module: a reverse that finds what was kept takes no step forward.
            cycles = step_cycles(building._levels[mode], found.modules[-1][0], building.vector)
            tiles = -(-(building.lanes or 1) // building.width)
            self.cycles += cycles * tiles * building.loop.steps
            return found

        Building.built = built  # type: ignore[method-assign]

    def begin(self) -> None:
        """Forget what was compiled before."""
        self.cycles = 0.0


def step_cycles(levels: Any, text: str, vector: int) -> float:
    """Return the cycles that one step of a tile takes at least."""
    from cajax.program.levels import Kernel

    bodies = re.findall(r"define void @\w+\(.*?\n}", text, re.DOTALL)
    total, kernels = 0.0, iter(bodies)
    for step in levels.steps:
        if isinstance(step, Kernel):
            body = next(kernels)
            count = {unit: len(re.findall(pattern, body)) for unit, pattern in UNITS.items()}
            quotients = QUOTIENT[4 if " x float>" in body else 8] * body.count("fdiv <")
            rounds = step.n if step.wide else -(-step.n // vector)
            total += rounds * max(
                count["product"], count["sum"], count["load"], 2 * count["store"], quotients
            )
        elif step.op == "solve":
            nodes = sum(t.n_nodes * t.lanes for t in step.static)
            size = 4 if step.kind == "f32" else 8
            total += nodes * max(QUOTIENT[size] if levels.is_wide(step) else 3.0, 10.0)
    return total


def clock() -> float:
    """Return the cycles per second of this core, from a chain of products that take three each."""
    import ctypes

    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    text = """define i64 @chain(i64 %n, i64 %x) {
entry:
  br label %body
body:
  %i = phi i64 [ 0, %entry ], [ %j, %body ]
  %y = phi i64 [ %x, %entry ], [ %z, %body ]
  %z = mul i64 %y, 6364136223846793005
  %j = add i64 %i, 1
  %more = icmp ult i64 %j, %n
  br i1 %more, label %body, label %done
done:
  ret i64 %z
}"""
    machine = llvm.Target.from_default_triple().create_target_machine(opt=1)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(text), machine)
    engine.finalize_object()
    chain = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(
        engine.get_function_address("chain")
    )
    count, least = 5_000_000, 1e9
    for _ in range(5):
        begin = time.perf_counter()
        chain(count, 3)
        least = min(least, time.perf_counter() - begin)
    return 3.0 * count / least
