"""The operations of compiled loops once more under the sanitizers, in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_sanitized import OPTIONS, preloaded, tool

# The solve outside, with whose bits ours are compared, stays as it is; the operations come from the watched build.
CHILD = """
import sys
import pytest
from cajax.solve import native
assert native.available()
native._library = lambda: sys.argv[1]
plain = ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:faulthandler"]
plain += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
# Both types are made from one template: one of them is watched.
sys.exit(pytest.main([*plain, "-k", "not f64", *sys.argv[2:]]))
"""
FLAGS = "-std=c++17 -O1 -g -fPIC -ffp-contract=off -fvisibility=hidden -DCAJAX_NO_CLONES"
SOURCES = ("forest", "solve", "sums", "products", "rows", "due", "ops")  # those that need no header of XLA
WATCH = "-fsanitize=address,undefined -fno-sanitize-recover=undefined"


def built(compiler: str, native: Path, folder: Path) -> str:
    """The operations without clones, under the sanitizers."""
    objects = {native / f"{name}.cc": folder / f"{name}.o" for name in SOURCES}
    command = [compiler, *FLAGS.split(), *WATCH.split()]
    runs = [subprocess.Popen([*command, "-c", str(s), "-o", str(o)]) for s, o in objects.items()]
    assert [run.wait() for run in runs] == [0] * len(objects)
    library = folder / "ops.so"
    subprocess.run([*command, "-shared", *map(str, objects.values()), "-o", str(library)], check=True)
    return str(library)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the sanitizers are preloaded as on Linux")
def test_operations_under_sanitizers(root, library, tmp_path):
    compiler = tool(os.environ.get("CXX", "c++"), "g++", "clang++")
    watched = built(compiler, root / "src" / "cajax" / "program" / "native", tmp_path)
    run = subprocess.run(
        [sys.executable, "-c", CHILD, watched, str(root / "tests" / "program" / "test_ops.py")],
        env=os.environ | OPTIONS | {"LD_PRELOAD": preloaded(compiler)},
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-5000:]
    assert "skipped" not in run.stdout, run.stdout[-2000:]
