"""Compiles a function that appends to a block into a loop over arrays, for the tests of values and bits."""

import ctypes
from collections.abc import Callable

import llvmlite.binding as llvm
import numpy as np

from cajax.program.block import KINDS, Block, Module, Reg

DTYPES = {"f32": np.float32, "f64": np.float64}
WIDTHS = {"f32": 16, "f64": 8}
EXTENDED = "x86_fp80"

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()

LOOP = """
define void @k(ptr %in0, ptr %in1, ptr %out, i64 %n) {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  {body}
  %p = getelementptr {scalar}, ptr %out, i64 %i
  store {type} {result}, ptr %p, align {align}
  %next = add i64 %i, {width}
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}}
"""


def loop_text(function: Callable[..., Reg], operands: int, kind: str, width: int) -> str:
    """Return the loop as text; width 1 means scalars."""
    module = Module(width)
    block, scalar, type_ = Block(module), KINDS[kind], module.type(kind, width > 1)
    inputs = [Reg(f"%x{i}", kind, width > 1) for i in range(operands)]
    result = function(block, *inputs)
    if result.kind == "i1":
        result = block.select(result, block.number(kind, 1.0), block.number(kind, 0.0))
    loads = [
        f"%p{i} = getelementptr {scalar}, ptr %in{i}, i64 %i\n  {x.text} = load {type_}, ptr %p{i}, align 4"
        for i, x in enumerate(inputs)
    ]
    body = "\n  ".join([*loads, *block.lines])
    words = {"scalar": scalar, "type": type_, "result": result.text, "width": width, "align": 4}
    return "\n".join([*module.declared.values(), LOOP.format(body=body, **words)])


FLUSH = """
declare void @llvm.x86.sse.ldmxcsr(ptr)
define void @k(ptr %in0, ptr %in1, ptr %out, i64 %n) {
  %control = alloca i32
  store i32 40896, ptr %control
  call void @llvm.x86.sse.ldmxcsr(ptr %control)
  call void @inner(ptr %in0, ptr %in1, ptr %out, i64 %n)
  store i32 8064, ptr %control
  call void @llvm.x86.sse.ldmxcsr(ptr %control)
  ret void
}
"""


def flushing(text: str) -> str:
    """Return the loop run as XLA's threads run code: subnormal operands and results count as 0 (x86 only)."""
    inner = text.replace("define void @k(", "define internal void @inner(").replace("%n) {", "%n) noinline {")
    return inner + FLUSH


def machine(cpu: str | None = None) -> llvm.TargetMachine:
    """Return a code generator for this processor, or for a named one."""
    features = llvm.get_host_cpu_features().flatten() if cpu is None else ""
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(
        cpu=cpu or llvm.get_host_cpu_name(), features=features, opt=3, reloc="pic", codemodel="default"
    )


def assembly(text: str, cpu: str | None = None) -> str:
    """Return the instructions that a loop becomes."""
    return machine(cpu).emit_assembly(llvm.parse_assembly(text))


class Kernel:
    """A compiled loop over arrays of one length, padded to whole vectors."""

    def __init__(self, text: str, width: int, dtype: type, cpu: str | None = None, symbols: tuple = ()):
        module, generator = llvm.parse_assembly(text), machine(cpu)
        module.verify()
        builder = llvm.JITLibraryBuilder().add_object_img(generator.emit_object(module)).export_symbol("k")
        for name, address in symbols:
            builder.import_symbol(name, address)
        self.width, self.dtype = width, dtype
        self._jit = llvm.create_lljit_compiler(generator)
        self._library = builder.link(self._jit, "kernel")
        self.call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64)(self._library["k"])

    def __call__(self, *xs: np.ndarray) -> np.ndarray:
        n = xs[0].size
        inputs = [np.ones(-(-n // self.width) * self.width, self.dtype) for _ in range(2)]
        for padded, x in zip(inputs, xs, strict=False):
            padded[:n] = x
        out = np.empty_like(inputs[0])
        self.call(*(a.ctypes.data for a in (*inputs, out)), out.size)
        return out[:n]


def compiled(
    function: Callable[..., Reg], operands: int, kind: str, width: int, cpu: str | None = None
) -> Kernel:
    """Return a function as a loop over arrays."""
    return Kernel(loop_text(function, operands, kind, width), width, DTYPES[kind], cpu)


def extended(name: str) -> Kernel:
    """Return a function of the C library over arrays of 80-bit floats, which `ctypes` cannot pass (x86 only)."""
    library = ctypes.CDLL("libm.so.6")
    address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
    body = (
        f"%a = getelementptr {EXTENDED}, ptr %in0, i64 %i\n  %x = load {EXTENDED}, ptr %a, align 16\n"
        f"  %y = call {EXTENDED} @{name}({EXTENDED} %x)"
    )
    words = {"scalar": EXTENDED, "type": EXTENDED, "result": "%y", "width": 1, "align": 16}
    text = f"declare {EXTENDED} @{name}({EXTENDED})\n" + LOOP.format(body=body, **words)
    return Kernel(text, 1, np.longdouble, symbols=((name, address),))
