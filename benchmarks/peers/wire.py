"""How a benchmark talks to one engine: JSON lines on stdin and stdout of a process that keeps it alive.

An engine reads files, builds the common task, and gives programs: callables that run once, wait for the
result and return it as an array. Runs under any interpreter that has NumPy.
"""

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class Task:
    """The common physics: cylinders (one control volume each) joined end to start, HH in each, one clamp.

    `length`, `radius` in µm, `parent` index (-1 root); `ra` Ω·cm, `cm` µF/cm²; the clamp sits in the root's
    middle from `delay` ms to the end, with `amp` nA times 0.5 to 1.5 over a batch; `steps` steps of `dt` ms
    start at `v0` mV; 6.3 °C.
    """

    length: tuple[float, ...]
    radius: tuple[float, ...]
    parent: tuple[int, ...]
    amp: float = 1.0
    delay: float = 1.0
    dt: float = 0.025
    steps: int = 800
    ra: float = 100.0
    cm: float = 1.0
    v0: float = -65.0

    def amps(self, batch: int) -> np.ndarray:
        """Return the clamp amplitudes of a batch, in nA."""
        return self.amp * (np.linspace(0.5, 1.5, batch) if batch > 1 else np.ones(1))

    def on(self) -> np.ndarray:
        """Return, per step, 1 where the clamp is on during that step."""
        return (np.arange(self.steps) >= round(self.delay / self.dt)).astype(float)


class Engine(Protocol):
    """What a worker must offer."""

    def read(self, path: str) -> int: ...
    def build(self, task: Task) -> None: ...
    def program(self, what: str, batch: int, method: str) -> Callable[[], np.ndarray]: ...
    def versions(self) -> dict[str, str]: ...


def arguments() -> argparse.Namespace:
    """Parse the command line, pin this process to its core, keep JAX to one thread; call before imports."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dtype", default="float64", choices=("float32", "float64"))
    parser.add_argument("--core", type=int, default=0)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.core})
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    return options


class Server:
    """Answers commands; whatever the engine prints goes to stderr, so that stdout stays clean."""

    def __init__(self, engine: Engine, import_s: float) -> None:
        self.engine, self.import_s = engine, import_s
        self.programs: dict[tuple[str, int, str], Callable[[], np.ndarray]] = {}
        self.out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def hello(self) -> dict[str, Any]:
        """Return what this worker runs."""
        return {"import_s": self.import_s, "versions": self.engine.versions()}

    def read(self, path: str) -> dict[str, Any]:
        """Read a morphology with one control volume per branch."""
        start = time.perf_counter()
        n = self.engine.read(path)
        return {"read_s": time.perf_counter() - start, "n": n}

    def build(self, task: dict[str, Any]) -> dict[str, Any]:
        """Build the common task."""
        start = time.perf_counter()
        self.engine.build(Task(**task))
        return {"build_s": time.perf_counter() - start}

    def prepare(self, what: str, batch: int, method: str, values: bool = False) -> dict[str, Any]:
        """Compile and run once; with `values`, send the result (forward: voltages of the first lane)."""
        start = time.perf_counter()
        program = self.programs[what, batch, method] = self.engine.program(what, batch, method)
        result = program()
        answer: dict[str, Any] = {
            "first_s": time.perf_counter() - start,
            "finite": bool(np.isfinite(result).all()),
        }
        return answer | ({"values": np.asarray(result, float).tolist()} if values else {})

    def run(self, what: str, batch: int, method: str, repeat: int = 1) -> dict[str, Any]:
        """Run a prepared program `repeat` times; return the mean wall time of one."""
        program = self.programs[what, batch, method]
        start = time.perf_counter()
        for _ in range(repeat):
            program()
        return {"seconds": (time.perf_counter() - start) / repeat}

    def bye(self) -> dict[str, Any]:
        """Return the peak memory of this process."""
        return {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}

    def serve(self) -> None:
        """Answer until stdin ends; an error is an answer too."""
        commands = {
            f.__name__: f for f in (self.hello, self.read, self.build, self.prepare, self.run, self.bye)
        }
        for line in sys.stdin:
            message = json.loads(line)
            try:
                answer = commands[message.pop("do")](**message)
            except Exception as error:  # reported to the parent, which decides
                answer = {"error": f"{type(error).__name__}: {error}"[:2000]}
            self.out.write(json.dumps(answer) + "\n")
            self.out.flush()
