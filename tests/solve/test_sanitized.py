"""The kernels once more under the address and undefined-behaviour sanitizers, in a process of their own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# The sanitizers come in by LD_PRELOAD; the tests must not skip for want of the library.
CHILD = """
import sys
import pytest
from cajax.solve import native
native._library = lambda: sys.argv[1]
assert native.available()
plain = ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:faulthandler"]
plain += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
# Both types are made from one template: one of them is watched.
sys.exit(pytest.main([*plain, "-k", "not jax and not float64", *sys.argv[2:]]))
"""
FILES = ("test_native.py", "test_sites.py", "test_sparse.py", "test_due.py")
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1",  # what Python and JAX never free is not ours
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


def tool(*names: str) -> str:
    """The first of these programs that is beside this Python or on the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    pytest.skip(f"needs {' or '.join(names)}")


def preloaded(compiler: str) -> str:
    """What must be in the process first: the sanitizer, and the C++ library, whose exceptions it watches."""

    def library(*names: str) -> str:
        for name in names:
            ask = [compiler, f"-print-file-name={name}"]
            path = Path(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip())
            if path.is_absolute():
                return str(path.resolve())
        pytest.skip(f"the compiler has no {names[0]}")

    asan = library("libasan.so", "libclang_rt.asan-x86_64.so", "libclang_rt.asan.so")
    return f"{asan} {library('libstdc++.so.6')}"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the sanitizers are preloaded as on Linux")
def test_kernels_under_sanitizers(root, tmp_path):
    cmake, compiler = tool("cmake"), tool(os.environ.get("CXX", "c++"), "g++", "clang++")
    first = preloaded(compiler)
    settings = [
        f"-DPython_EXECUTABLE={sys.executable}",
        f"-DCMAKE_CXX_COMPILER={compiler}",
        "-DCAJAX_SANITIZE=ON",
    ]
    # -O1 finds the same faults and compiles in a third of the time.
    settings += ["-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS=-O1"]
    subprocess.run([cmake, "-S", root, "-B", tmp_path, *settings], check=True, capture_output=True)
    subprocess.run([cmake, "--build", tmp_path, "--parallel", str(len(FILES))], check=True)
    library = str(next(tmp_path.glob("_native.*")))
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, library, str(root / "tests" / "solve" / name)],
            env=os.environ | OPTIONS | {"LD_PRELOAD": first},
            cwd=root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name in FILES
    ]
    said = [run.communicate()[0] for run in runs]
    for run, text in zip(runs, said, strict=True):
        assert run.returncode == 0, text[-5000:]
        assert "skipped" not in text, text[-2000:]
