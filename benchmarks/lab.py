"""The bench that every workload works at: engine processes, samples taken in turn, results kept as they come."""

import contextlib
import json
import math
import os
import platform
import statistics
import subprocess
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SWC = HERE.parent / ".." / "shared" / "data" / "morphologies" / "ca1"
ENGINES = ("cajax", "jaxley", "neuron", "arbor")
DTYPES = ("float64", "float32")
CABLE: dict[str, Any] = {"length": [100.0], "radius": [2.0], "parent": [-1], "ncv": 8}  # for quick runs


class EngineError(Exception):
    """An engine could not do what was asked, or its process ended."""


class Worker:
    """One live engine process, in one precision, on some cores."""

    def __init__(self, engine: str, command: list[str], dtype: str, cores: Sequence[int]) -> None:
        self.engine, self.dtype, self.cores, self.start = engine, dtype, list(cores), time.perf_counter()
        flags = ["--dtype", dtype, "--cores", *map(str, cores)]
        self.process = subprocess.Popen(
            [*command, *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the parent alone
        )
        self.facts: dict[str, Any] = {}

    @property
    def name(self) -> str:
        return f"{self.engine} {self.dtype}"

    def ask(self, do: str, **message: Any) -> dict[str, Any]:
        """Send one command and return the answer; raises `EngineError`."""
        assert self.process.stdin and self.process.stdout
        line = ""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps({"do": do, **message}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        answer = json.loads(line or '{"error": "the process ended (out of memory?)"}')
        if "error" in answer:
            raise EngineError(f"{self.name}, {do}: {answer['error']}")
        return answer

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(Exception):
            self.process.communicate(timeout=10)
        self.process.kill()


@dataclass
class Lane:
    """One program of one engine within a comparison, and its samples in seconds."""

    worker: Worker
    run: dict[str, Any]
    first: dict[str, Any]
    times: list[float] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """Return what was run, and the median, least and largest time of one run in seconds."""
        once = statistics.median(self.times)
        spread = {"median_s": once, "least_s": min(self.times), "largest_s": max(self.times)}
        facts = {key: self.first[key] for key in ("first_s", "floor_s", "peak_mb")}
        cores = len(self.worker.cores)
        worker = {"engine": self.worker.engine, "dtype": self.worker.dtype, "cores": cores}
        return {**worker, **self.run, **spread, "rounds": len(self.times), **facts}


class Lab:
    """What a workload is given: `quick`, `options`, processes, rounds, progress, and a place for its results."""

    def __init__(self, options: Namespace) -> None:
        self.options, self.quick = options, options.quick
        self.rounds = 2 if options.quick else options.rounds
        self.engines = [e for e in ENGINES if getattr(options, e)]
        self.begin("", 0.0, 0.0)

    def trees(self, *cut: str) -> dict[str, Any]:
        """Return the cylinders of a morphology file, or of `pyramidal SEED TIPS STEMS`."""
        return _cylinders(self.options.cajax, *cut)

    def ca1(self, name: str) -> dict[str, Any]:
        """Return a CA1 pyramidal cell; where the files are absent, the built-in pyramidal cell, with a note."""
        if (SWC / name).exists():
            return self.trees(str(SWC / name))
        self.note(f"{name} is not there: the built-in pyramidal cell stands in")
        return self.trees("pyramidal", "0", "60", "6")

    def start(self, engine: str, dtype: str = "float64", cores: int = 1, devices: int = 0) -> Worker:
        """Start an engine on the first `cores` of the chosen cores; `devices` of JAX (default: one per core)."""
        command = [getattr(self.options, engine), str(HERE / "peers" / f"{engine}_worker.py")]
        command += ["--memory-mb", str(int(0.8 * free_mb()))]
        command += ["--devices", str(devices or cores), f"--xla-flags={self.options.xla_flags}"]
        worker = Worker(engine, command, dtype, self.options.cores[:cores])
        worker.facts = worker.ask("hello")
        self.versions |= worker.facts["versions"]
        return worker

    @contextlib.contextmanager
    def workers(
        self, model: dict[str, Any], dtypes: Sequence[str] = DTYPES, engines: Sequence[str] = ENGINES, cores: int = 1,
        devices: int = 0,
    ) -> Iterator[list[Worker]]:  # fmt: skip
        """Yield the engines that are there, with `model` built; those without float32 run in float64 only."""
        live: list[Worker] = []
        try:
            for engine in (e for e in engines if e in self.engines):
                for dtype in dtypes if engine in ("cajax", "jaxley") else ["float64"]:
                    with self.noting():
                        self.say(f"{engine} {dtype}: build")
                        live.append(self.start(engine, dtype, cores, devices))
                        live[-1].facts |= live[-1].ask("build", **model)
            yield [w for w in live if "n" in w.facts]
        finally:
            for worker in live:
                worker.close()

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """Turn an engine's failure into a note among the results."""
        try:
            yield
        except EngineError as error:
            self.note(str(error))

    def lane(self, worker: Worker, want: str = "", **run: Any) -> Lane | None:
        """Compile one program and run it once; None, with a note, where the engine cannot."""
        if worker.process.poll() is not None:
            return None
        self.say(f"{worker.name}: prepare {_words(run)}")
        with self.noting():
            first = worker.ask("prepare", want=want, **run)
            if first["finite"]:
                return Lane(worker, run, first)
            self.note(f"{worker.name}, {_words(run)}: not finite")
        return None

    def compare(self, lanes: Sequence[Lane | None]) -> list[dict[str, Any]]:
        """Return the rows of some lanes, timed in turn, forwards and backwards; a sample lasts a tenth of a second."""
        target, repeats = 0.01 if self.quick else 0.1, {}
        ready = [lane for lane in lanes if lane]
        for lane in ready:
            with self.noting():
                repeats[id(lane)] = max(1, math.ceil(target / lane.worker.ask("run", **lane.run)["seconds"]))
        for i in range(self.rounds):
            self.say(f"round {i + 1} of {self.rounds} over {len(ready)} programs")
            for lane in ready if i % 2 == 0 else reversed(ready):
                if id(lane) in repeats and lane.worker.process.poll() is None:
                    with self.noting():
                        answer = lane.worker.ask("run", repeat=repeats[id(lane)], **lane.run)
                        lane.times.append(answer["seconds"])
        return [lane.row() for lane in ready if lane.times]

    def begin(self, name: str, seconds: float, left_after: float) -> None:
        """Open a workload that is expected to take `seconds`, with `left_after` seconds of others to come."""
        self.name, self.began, self.expected, self.left_after = name, time.monotonic(), seconds, left_after
        self.notes: list[str] = []
        self.versions: dict[str, str] = {}

    def say(self, text: str) -> None:
        """Print what happens now, and when all should be done."""
        here = time.monotonic() - self.began
        left = max(self.expected - here, 0.0) + self.left_after
        print(f"[{self.name} {here:4.0f} s, about {left / 60:.0f} min left] {text}", flush=True)

    def note(self, text: str) -> None:
        """Keep a remark for the report."""
        self.notes.append(text)
        self.say(f"note: {text}")

    def save(self, results: dict[str, Any], done: bool = False) -> None:
        """Write what there is of this workload's results; half-finished ones say so."""
        facts: dict[str, Any] = {"machine": machine(), "versions": self.versions, "notes": self.notes}
        facts |= {"quick": self.quick, "complete": done, "seconds": time.monotonic() - self.began}
        facts |= {"xla_flags": self.options.xla_flags}
        self.options.out.mkdir(parents=True, exist_ok=True)
        path = self.options.out / f"{self.name}.json"
        path.with_suffix(".tmp").write_text(json.dumps(facts | results, indent=1) + "\n")
        path.with_suffix(".tmp").replace(path)


def gap(a: Sequence[float], b: Sequence[float]) -> dict[str, float]:
    """Return the mean and largest difference of two results, and the largest relative to the largest entry."""
    if len(a) != len(b):
        raise EngineError(f"results of {len(a)} and {len(b)} numbers cannot be compared")
    gaps = [abs(x - y) for x, y in zip(a, b, strict=True)]
    scale = max(map(abs, b)) or 1.0
    return {"mean": sum(gaps) / len(gaps), "largest": max(gaps), "relative": max(gaps) / scale}


def agreement(lanes: Sequence[Lane | None], base: Lane | None = None) -> list[dict[str, Any]]:
    """Compare results with those of `base` (default: the first); the lanes were prepared with want="values"."""
    ready = [lane for lane in lanes if lane]
    rows, base = [], base or (ready[0] if ready else None)
    for lane in ready:
        assert base
        a, b = lane.first["values"], base.first["values"]
        # An engine that leaves out the last instant is compared up to there.
        n = min(len(a), len(b)) if abs(len(a) - len(b)) == 1 else max(len(a), len(b))
        found = {"engine": lane.worker.name, "against": base.worker.name, **lane.run}
        rows.append(found | gap(a[:n], b[:n]))
    return rows


def _words(run: dict[str, Any]) -> str:
    return " ".join(str(v) if isinstance(v, str) else f"{k} {v:g}" for k, v in run.items())


@cache
def _cylinders(python: str, *cut: str) -> dict[str, Any]:
    env = dict(os.environ, JAX_PLATFORMS="cpu")
    command = [python, str(HERE / "peers" / "cylinders.py"), *cut]
    return json.loads(subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout)


def free_mb() -> float:
    """Return the free main memory (8 GiB where the system does not say)."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable"):
                return int(line.split()[1]) / 1024
    return 8192.0


def machine() -> dict[str, Any]:
    """Return the processor, cores and system, without names of hosts or folders."""
    names = [platform.processor()]
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")] or names
    return {"cpu": names[0], "cores": os.cpu_count(), "system": platform.system()}
