"""Broken object files are refused with a reason: thousands of them, in a process that would show a crash."""

import ctypes
import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from cajax.program import compiled, executor

pytestmark = pytest.mark.skipif(executor.missing() is not None, reason="programs cannot be compiled here")

KERNEL = """
@table = private constant <4 x double> <double 1.5, double 2.5, double 3.5, double 4.5>
define void @k(ptr noalias %table, i64 %begin, i64 %end) nounwind "no-builtins" {
  %at = load ptr, ptr %table, align 8
  %x = load <4 x double>, ptr @table, align 8
  %y = load <4 x double>, ptr %at, align 8
  %e = fmul <4 x double> %y, <double 1.1, double 2.2, double 3.3, double 4.4>
  %z = fadd <4 x double> %x, %e
  store <4 x double> %z, ptr %at, align 8
  ret void
}
define double @other(double %x) nounwind { %y = fadd double %x, 7.25
  ret double %y
}
"""
ODD = (
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    0x7F,
    0xFF,
    0xFFFF,
    2**30,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**40,
    2**63 - 1,
    2**63,
    2**64 - 1,
)


def load(library: ctypes.CDLL, code: bytes, names: str = "k other ") -> tuple[str | None, list[int]]:
    """What is wrong with an object file, and where its functions lie."""
    found = (ctypes.c_int64 * 16)()
    function = library.cajax_code_load
    function.restype = ctypes.c_char_p
    wrong = function(code, ctypes.c_int64(len(code)), names.encode(), found)
    return (None if wrong is None else wrong.decode()), list(found)


def spoiled(code: bytes, number: int) -> bytes:
    """An object file with a few bytes or fields changed, or cut off; the same for the same number."""
    chance = random.Random(number)
    data = bytearray(code)
    how = number % 4
    sections, count = struct.unpack_from("<Q", code, 40)[0], struct.unpack_from("<H", code, 60)[0]
    for _ in range(chance.randint(1, 3)):
        if how == 0:
            data[chance.randrange(len(data))] = chance.choice((0, 1, 8, 0x7F, 0xFF, chance.randrange(256)))
        elif how == 1:  # a field of a section's header
            offset, form = chance.choice(
                [
                    (0, "<I"),
                    (4, "<I"),
                    (8, "<Q"),
                    (16, "<Q"),
                    (24, "<Q"),
                    (32, "<Q"),
                    (40, "<I"),
                    (44, "<I"),
                    (48, "<Q"),
                ]
            )
            value = chance.choice(ODD) % 2 ** (8 * struct.calcsize(form))
            struct.pack_into(form, data, sections + 64 * chance.randrange(count) + offset, value)
        elif how == 2:  # a word of the tables of symbols and relocations
            kinds = [struct.unpack_from("<4xI16xQQ", code, sections + 64 * k) for k in range(count)]
            tables = [(at, size) for kind, at, size in kinds if kind in (2, 4) and size >= 8]
            at, size = chance.choice(tables)
            struct.pack_into("<Q", data, at + 8 * chance.randrange(size // 8), chance.choice(ODD))
        else:
            struct.pack_into("<Q", data, 8 * chance.randrange(8), chance.choice(ODD))
    return bytes(data[: chance.randrange(len(data))]) if chance.random() < 0.1 else bytes(data)


def attempt(path: str, code: bytes, first: int, last: int) -> None:
    """Load spoiled files, and print how many were refused."""
    library = ctypes.CDLL(path)
    refused = sum(load(library, spoiled(code, k))[0] is not None for k in range(first, last))
    assert load(library, code)[0] is None
    print(refused)


def run(tmp_path: Path, library: ctypes.CDLL, count: int) -> int:
    file = tmp_path / "code.o"
    file.write_bytes(compiled._built(KERNEL))
    text = (
        f"import sys; sys.path[:] = {sys.path!r}\nimport test_code\n"
        f"test_code.attempt({library._name!r}, open({str(file)!r}, 'rb').read(), 0, {count})"
    )
    child = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert child.returncode == 0, f"{child.returncode}: {child.stderr[-2000:]}"
    return int(child.stdout)


def test_spoiled_files_are_refused_or_loaded(tmp_path: Path, library: ctypes.CDLL) -> None:
    assert 500 < run(tmp_path, library, 2000) < 2000


@pytest.mark.slow
def test_many_spoiled_files(tmp_path: Path, library: ctypes.CDLL) -> None:
    assert run(tmp_path, library, 60_000) > 15_000


def test_whole_file_is_loaded_and_runs(library: ctypes.CDLL) -> None:
    wrong, (kernel, other, *_) = load(library, compiled._built(KERNEL))
    assert wrong is None
    values = (ctypes.c_double * 4)(1.0, 2.0, 3.0, 4.0)
    table = (ctypes.c_void_p * 1)(ctypes.addressof(values))
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(kernel)(table, 0, 1)
    assert list(values) == pytest.approx([1.5 + 1.1, 2.5 + 4.4, 3.5 + 9.9, 4.5 + 17.6], rel=1e-15)
    assert ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(other)(1.0) == 8.25


@pytest.mark.parametrize(
    ("code", "names", "reason"),
    [
        (b"", "k ", "too early"),
        (b"\0" * 64, "k ", "no 64-bit object file"),
        (b"MZ" + b"\0" * 200, "k ", "no 64-bit object file"),
        (None, "missing ", "no function missing"),
        ("declare double @sin(double)\ndefine double @k(double %x) { %y = call double @sin(double %x)\n"
         "ret double %y }", "k ", "outside"),
    ],
)  # fmt: skip
def test_reasons(library: ctypes.CDLL, code: bytes | str | None, names: str, reason: str) -> None:
    data = code if isinstance(code, bytes) else compiled._built(code or KERNEL)
    wrong, _ = load(library, data, names)
    assert wrong is not None and reason in wrong and "\n" not in wrong
