"""How a benchmark talks to one engine: JSON lines on stdin and stdout of a process that keeps it alive.

An engine builds one model and gives programs: callables that run once, wait for the result and return it as
an array. Runs under any interpreter that has NumPy.
"""

import argparse
import hashlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from spikes import crossings

TARGETS = 4  # branches of every cell of a network that receive synapses


@dataclass(frozen=True)
class Model:
    """The common physics: cylinders of `ncv` control volumes joined end to start, HH in each, at 6.3 °C.

    `length`, `radius` in µm, `parent` index (-1 root); `ra` Ω·cm, `cm` µF/cm²; runs start at `v0` mV. With `swc` the
    tree is read from that file instead. `cells` > 1 makes a network of copies, joined by `synapses` graded synapses.
    """

    length: tuple[float, ...] = ()
    radius: tuple[float, ...] = ()
    parent: tuple[int, ...] = ()
    ncv: int = 1
    swc: str = ""
    cells: int = 1
    synapses: int = 0
    ra: float = 100.0
    cm: float = 1.0
    v0: float = -65.0

    @property
    def center(self) -> int:
        """The control volume in the middle of the root, where the clamp and the electrode are."""
        return self.ncv // 2

    def edges(self, group: int) -> tuple[np.ndarray, int, np.ndarray]:
        """Return pairs [edge, 2] (pre, post) of one group of synapses, their branch, and their weights in µS."""
        rng = np.random.default_rng(group)
        pairs = rng.integers(0, self.cells, (self.synapses // TARGETS, 2))
        branch = 1 + group * (len(self.parent) - 1) // TARGETS
        return pairs, branch, rng.uniform(0.0, 2e-4, len(pairs))


@dataclass(frozen=True)
class Run:
    """One run: a current step in the root from `delay` ms to the end, `amp` nA times 0.5 to 1.5 over a batch.

    "gradient" is that of the mean of (v + 60 mV)² with respect to gNa, gK, gLeak of every control volume (the first
    `free` of them; 0: one factor of gNa), and the weights of a network. `atol` is for variable steps. With `sets` every
    run of a batch has parameters of its own, within 10 % of the model's, as a search for parameters has.
    """

    what: str = "forward"
    method: str = "backward_euler"
    batch: int = 1
    dt: float = 0.025
    ms: float = 20.0
    amp: float = 1.0
    delay: float = 1.0
    atol: float = 0.0
    free: int = 3
    sets: bool = False

    @property
    def steps(self) -> int:
        return round(self.ms / self.dt)

    def amps(self, cells: int = 1) -> np.ndarray:
        """Return the amplitudes of a batch [batch] in nA; in a network the cells differ instead [1, cell]."""
        size = max(self.batch, cells)
        spread = self.amp * (np.linspace(0.5, 1.5, size) if size > 1 else np.ones(1))
        return spread[None] if cells > 1 else spread

    def checkpoints(self) -> list[int]:
        """Return the two levels of nesting, nearly equal, whose product is the number of steps."""
        outer = next(k for k in range(int(self.steps**0.5), 0, -1) if self.steps % k == 0)
        return [outer, self.steps // outer]


class Engine(Protocol):
    """What a worker must offer; `times` are the instants of the last run where they are not k·dt."""

    times: np.ndarray | None

    def versions(self) -> dict[str, str]: ...
    def build(self, model: Model) -> int: ...  # the number of control volumes
    def program(self, run: Run) -> Callable[[], np.ndarray]: ...


def arguments() -> argparse.Namespace:
    """Parse the command line, pin this process to its cores and keep libraries to them; call before imports."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dtype", default="float64", choices=("float32", "float64"))
    parser.add_argument("--cores", type=int, nargs="+", default=[0])
    parser.add_argument("--devices", type=int, default=1, help="devices of JAX")
    parser.add_argument("--memory-mb", type=int, default=0, help="end the process rather than use more")
    parser.add_argument("--xla-flags", default="")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(options.cores))
    if options.memory_mb:
        resource.setrlimit(resource.RLIMIT_DATA, (options.memory_mb * 2**20,) * 2)
    # One thread per device: two cores are used as two devices, which suits scans better than threads within one.
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ["XLA_FLAGS"] = f"{flags} {options.xla_flags}".strip()
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["JAX_NUM_CPU_DEVICES"] = str(options.devices)
    os.environ["JAX_ENABLE_X64"] = str(options.dtype == "float64")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    return options


def peak_mb() -> float:
    """Return the most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Server:
    """Answers commands; whatever the engine prints goes to stderr, so that stdout stays clean."""

    def __init__(self, engine: Engine, **imports_s: float) -> None:
        self.engine, self.imports_s = engine, imports_s
        self.programs: dict[Run, Callable[[], np.ndarray]] = {}
        self.first_s: dict[Run, float] = {}
        self.floor_s: dict[Run, float | None] = {}
        self.out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def hello(self) -> dict[str, Any]:
        """Return what this worker runs, and how long the imports took."""
        return {**self.imports_s, "versions": self.engine.versions(), "peak_mb": peak_mb()}

    def build(self, **model: Any) -> dict[str, Any]:
        """Build the common model."""
        known = {k: tuple(v) if isinstance(v, list) else v for k, v in model.items()}
        start = time.perf_counter()
        n = self.engine.build(Model(**known))
        return {"build_s": time.perf_counter() - start, "n": n, "peak_mb": peak_mb()}

    def prepare(self, want: str = "", **run: Any) -> dict[str, Any]:
        """Compile and run once; with `want` = "values" send the result, with "spikes" the first lane's spike times."""
        start, spec = time.perf_counter(), Run(**run)
        self.programs[spec] = self.programs.get(spec) or self.engine.program(spec)
        result = np.asarray(self.programs[spec]())
        if spec not in self.first_s:
            self.first_s[spec] = time.perf_counter() - start
            self.floor_s[spec] = getattr(self.engine, "floor_s", lambda: None)()
        answer: dict[str, Any] = {
            "first_s": self.first_s[spec],
            "floor_s": self.floor_s[spec],
            "finite": bool(np.isfinite(result).all()),
            "digest": hashlib.sha256(result.tobytes()).hexdigest()[:16],
            "peak_mb": peak_mb(),
        }
        if want == "values":
            answer["values"] = result.astype(float).ravel().tolist()
        elif want == "spikes":
            times = self.engine.times
            grid = np.arange(result.shape[1]) * spec.dt if times is None else times
            answer["spikes"] = crossings(grid, result[0].astype(float))
        return answer

    def run(self, repeat: int = 1, **run: Any) -> dict[str, Any]:
        """Run a prepared program `repeat` times; return the mean wall time of one."""
        program = self.programs[Run(**run)]
        start = time.perf_counter()
        for _ in range(repeat):
            program()
        return {"seconds": (time.perf_counter() - start) / repeat, "peak_mb": peak_mb()}

    def serve(self) -> None:
        """Answer until stdin ends; an error is an answer too."""
        commands = {f.__name__: f for f in (self.hello, self.build, self.prepare, self.run)}
        for line in sys.stdin:
            message = json.loads(line)
            try:
                answer = commands[message.pop("do")](**message)
            except Exception as error:  # reported to the parent, which decides
                answer = {"error": f"{type(error).__name__}: {str(error).splitlines()[:1]}"[:500]}
            self.out.write(json.dumps(answer) + "\n")
            self.out.flush()
