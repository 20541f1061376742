"""The operations of compiled loops once more under the sanitizers, in a process of their own."""

import os
import subprocess
import sys

import pytest
from test_sanitized import OPTIONS, preloaded, tool

# Of the solve outside, with whose bits ours are compared, everything but the sources is replaced by the watched build.
CHILD = """
import sys
import pytest
from cajax.solve import native
native._library = lambda: sys.argv[1]
plain = ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:faulthandler"]
plain += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
sys.exit(pytest.main([*plain, *sys.argv[2:]]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the sanitizers are preloaded as on Linux")
def test_operations_under_sanitizers(root, tmp_path):
    cmake, compiler = tool("cmake"), tool(os.environ.get("CXX", "c++"), "g++", "clang++")
    settings = [
        f"-DPython_EXECUTABLE={sys.executable}",
        f"-DCMAKE_CXX_COMPILER={compiler}",
        "-DCAJAX_SANITIZE=ON",
        "-DCMAKE_BUILD_TYPE=Debug",
        "-DCMAKE_CXX_FLAGS=-O1",
    ]
    subprocess.run([cmake, "-S", root, "-B", tmp_path, *settings], check=True, capture_output=True)
    subprocess.run([cmake, "--build", tmp_path, "--parallel", "4"], check=True, capture_output=True)
    library = str(next(tmp_path.glob("_native.*")))
    run = subprocess.run(
        [sys.executable, "-c", CHILD, library, str(root / "tests" / "program" / "test_ops.py")],
        env=os.environ | OPTIONS | {"LD_PRELOAD": preloaded(compiler)},
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-5000:]
    assert "skipped" not in run.stdout, run.stdout[-2000:]
