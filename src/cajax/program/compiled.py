"""Kernels as machine code: compiled by LLVM while a program runs, if `llvmlite` is installed, and kept on disk."""

import ctypes
import hashlib
import os
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import CajaxError
from ..solve import native
from .build import Built

VERSION = 1
"""Of what is kept on disk; raise it where equal text may mean other code."""
CACHE_VARIABLE = "CAJAX_CACHE"
CPU_VARIABLE = "CAJAX_CPU"
"""A processor to compile for, as LLVM names it, and features such as "znver3,-avx512f"; by default this one."""


@cache
def _llvm() -> Any:
    """Return LLVM, None where it is not installed."""
    try:
        import llvmlite.binding as llvm
    except (ImportError, OSError):
        return None
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


def available() -> bool:
    """Whether kernels can be compiled here."""
    return _llvm() is not None


@cache
def _target() -> tuple[str, str]:
    """Return the processor to compile for, and its features."""
    llvm = _llvm()
    name, _, features = os.environ.get(CPU_VARIABLE, "").partition(",")
    if name:
        return name, features
    try:
        found = llvm.get_host_cpu_features().flatten()
    except RuntimeError:
        found = ""
    return llvm.get_host_cpu_name(), found


@cache
def _machine() -> Any:
    llvm = _llvm()
    cpu, features = _target()
    # Whatever the system's format is, ours is ELF: the native library loads it.
    arch = llvm.get_default_triple().split("-")[0].replace("arm64", "aarch64")
    target = llvm.Target.from_triple(f"{arch}-unknown-linux-gnu")
    return target.create_target_machine(cpu=cpu, features=features, opt=3, reloc="pic", codemodel="small")


def _folder() -> Path | None:
    """Return where objects are kept; None where they are not."""
    if (given := os.environ.get(CACHE_VARIABLE)) is not None:
        return Path(given) / "kernels" if given else None
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "cajax" / "kernels"


def _object(text: str) -> bytes:
    """Return the object code of a module, from disk where it is known there."""
    content = "\0".join((str(VERSION), sys.platform, *_target(), str(_llvm().llvm_version_info), text))
    digest = hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
    folder = _folder()
    path = None if folder is None else folder / f"{digest}.o"
    if path is not None and (kept := _read(path)) is not None:
        return kept
    code = _built(text)
    if path is not None:
        _write(path, code)
    return code


def _built(text: str) -> bytes:
    llvm = _llvm()
    module = llvm.parse_assembly(text)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    # The generator has chosen the vectors; what the optimiser would unroll or widen only takes time.
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    builder = llvm.create_pass_builder(_machine(), options)
    builder.getModulePassManager().run(module, builder)
    return _machine().emit_object(module)


def _read(path: Path) -> bytes | None:
    """Return kept object code if it is whole: its digest stands before it."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    mark, code = content[:16], content[16:]
    return code if hashlib.blake2b(code, digest_size=16).digest() == mark else None


def _write(path: Path, code: bytes) -> None:
    """Keep object code, all of it or none; a disk that is full or read-only costs time only."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.blake2b(code, digest_size=16).digest() + code)
        os.replace(name, path)
    except OSError:
        with suppress(OSError):
            os.unlink(name)


@cache
def addresses(text: str, names: tuple[str, ...]) -> tuple[int, ...]:
    """Return where the functions of a module lie; they stay there as long as the process lives."""
    if not names:
        return ()
    code = _object(text)
    found = (ctypes.c_int64 * len(names))()
    function = native.library().cajax_code_load
    function.restype = ctypes.c_char_p
    wrong = function(code, ctypes.c_int64(len(code)), "".join(f"{n} " for n in names).encode(), found)
    if wrong is not None:
        raise CajaxError(f"compiled code cannot be loaded: {wrong.decode()}; use backend='xla'")
    return tuple(found)


def register(built: Built, constants: list[np.ndarray], pointers: list[int]) -> int:
    """Let the native library know a run; return the number that it goes by, the same in every process."""
    content = hashlib.blake2b(built.blob.tobytes(), digest_size=8)
    for text, _ in built.modules:
        content.update(text.encode())
    for x in constants:
        content.update(x.tobytes())
    digest = int.from_bytes(content.digest(), "little", signed=True)
    where = np.asarray(pointers, np.int64)
    function = native.library().cajax_run_register
    function.restype = ctypes.c_char_p
    wrong = function(
        ctypes.c_int64(digest),
        built.blob.ctypes.data_as(ctypes.c_void_p),
        ctypes.c_int64(len(built.blob)),
        where.ctypes.data_as(ctypes.c_void_p),
        ctypes.c_int64(len(where)),
    )
    if wrong is not None:
        raise RuntimeError(wrong.decode())
    return digest


def most_held() -> int:
    """Return the most bytes that compiled runs held at once since this was last asked, beside what XLA holds for them.

    What earlier runs left to be used again is given up, so that what is counted from here on is of later runs alone.
    """
    if not native.available():
        return 0
    function = native.library().cajax_most_held
    function.restype = ctypes.c_int64
    return int(function())
