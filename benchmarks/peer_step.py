"""Cajax against Jaxley and NEURON: time per control volume and step, on one core, with the same physics.

    python benchmarks/peer_step.py --cajax PYTHON --jaxley PYTHON [--neuron PYTHON] [--swc FILE] [--ms 20]

Every engine lives in its own process and interpreter; the rounds go through the engines in turn (forwards,
then backwards), so that a machine that drifts drifts for all. First the voltages and gradients are compared,
then the times are taken. Writes `results/peer_step.json` and `results/peer_step.md`.
"""

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SWC = HERE.parent / ".." / "shared" / "data" / "morphologies" / "ca1" / "morph_ca1_n120.swc"
DT = 0.025  # ms
BE, ST = "backward_euler", "staggered"
METHODS = {
    ("cajax", "forward"): (BE, ST),
    ("cajax", "gradient"): (BE, ST),
    ("jaxley", "forward"): (BE,),
    ("jaxley", "gradient"): (BE, f"{BE}/checkpointed"),
    ("neuron", "forward"): (BE, f"{BE}/tables"),
}


class Worker:
    """One live engine process."""

    def __init__(self, engine: str, python: str, dtype: str, core: int) -> None:
        self.engine, self.dtype = engine, dtype
        env = dict(os.environ)
        if engine == "cajax":
            env["PYTHONPATH"] = os.pathsep.join(
                filter(None, [str(HERE.parent / "src"), env.get("PYTHONPATH")])
            )
        command = [python, str(HERE / "peers" / f"{engine}_worker.py"), "--dtype", dtype, "--core", str(core)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
        )

    def ask(self, do: str, **message: Any) -> dict[str, Any]:
        """Send one command and return the answer; an engine's error ends the benchmark."""
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(json.dumps({"do": do, **message}) + "\n")
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline() or '{"error": "the process ended"}')
        except BrokenPipeError:
            answer = {"error": "the process ended"}
        if "error" in answer:
            raise SystemExit(
                f"{self.engine} ({self.dtype}), {do} {message if do != 'build' else ''}: {answer['error']}"
            )
        return answer

    def close(self) -> dict[str, Any]:
        """Return the last words and end the process."""
        answer = self.ask("bye")
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(timeout=60)
        return answer


@dataclass
class Lane:
    """One engine, method and precision within a comparison, and its times in seconds."""

    worker: Worker
    what: str
    batch: int
    method: str
    first_s: float
    repeat: int = 1
    times: list[float] | None = None

    def key(self) -> dict[str, Any]:
        return {"what": self.what, "batch": self.batch, "method": self.method}

    def row(self, n: int, steps: int) -> dict[str, Any]:
        """Return the result: median, least, largest time of one run, and ns per control volume and step."""
        times = self.times or []
        median, scale = statistics.median(times), 1e9 / (n * steps * self.batch)
        return {
            "engine": self.worker.engine,
            "dtype": self.worker.dtype,
            **self.key(),
            "median_s": median,
            "least_s": min(times),
            "largest_s": max(times),
            "runs": len(times),
            "ns_per_cv_step": median * scale,
            "spread_percent": 100 * (max(times) - min(times)) / median,
            "first_run_s": self.first_s,
        }


def compare(lanes: list[Lane], rounds: int) -> None:
    """Take the times of some lanes in turn, each sample at least a tenth of a second long."""
    for lane in lanes:
        once = lane.worker.ask("run", **lane.key())["seconds"]
        lane.repeat, lane.times = max(1, math.ceil(0.1 / once)), []
    for i in range(rounds):
        for lane in lanes if i % 2 == 0 else reversed(lanes):
            assert lane.times is not None
            lane.times.append(lane.worker.ask("run", **lane.key(), repeat=lane.repeat)["seconds"])


def agreement(workers: list[Worker]) -> list[dict[str, Any]]:
    """Compare voltages (mV) and gradients (relative) by backward Euler with those of the first engine."""
    rows = []
    for what in ("forward", "gradient"):
        base: tuple[str, list[float]] | None = None
        for worker in workers:
            if (worker.engine, what) not in METHODS:
                continue
            answer = worker.ask("prepare", what=what, batch=1, method=BE, values=True)
            flat = [x for row in answer["values"] for x in row]
            name = f"{worker.engine} {worker.dtype}"
            base = base or (name, flat)
            if len(flat) != len(base[1]):
                raise SystemExit(f"{name} gives {len(flat)} numbers, {base[0]} gives {len(base[1])}")
            gaps = [abs(a - b) for a, b in zip(flat, base[1], strict=True)]
            scale = 1.0 if what == "forward" else max(abs(b) for b in base[1])
            mean, largest = sum(gaps) / len(gaps) / scale, max(gaps) / scale
            row = {"what": what, "engine": name, "against": base[0], "mean": mean, "largest": largest}
            rows.append(row | {"peak": max(flat)} if what == "forward" else row)
            unit = "mV" if what == "forward" else "of the largest entry"
            print(
                f"{what:9s} {name:16s} vs {base[0]}: mean |Δ| {mean:.2e}, largest {largest:.2e} {unit}",
                flush=True,
            )
    return rows


def machine() -> dict[str, Any]:
    """Return the processor, system and date, without names of hosts or folders."""
    info = Path("/proc/cpuinfo")
    names = [s.split(":")[1].strip() for s in info.read_text().splitlines() if s.startswith("model name")]
    return {"cpu": (names or [platform.processor()])[0], "cores": os.cpu_count(), "system": platform.system()}


def table(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    versions = ", ".join(f"{k} {v}" for k, v in results["versions"].items())
    lines = [
        f"{results['n']} control volumes, HH in each, dt {results['dt']} ms, {results['steps']} steps, "
        f"one core of {results['machine']['cpu']}; {versions}.",
        "Nanoseconds per control volume and step: median (least–largest) of the runs.",
        "",
        "| what | batch | precision | engine, method | ns | median, s | first run, s |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in results["rows"]:
        scale = r["ns_per_cv_step"] / r["median_s"]
        ns = f"{r['ns_per_cv_step']:.1f} ({r['least_s'] * scale:.1f}–{r['largest_s'] * scale:.1f})"
        lines.append(
            f"| {r['what']} | {r['batch']} | {r['dtype']} | {r['engine']}, {r['method']} | {ns} "
            f"| {r['median_s']:.4g} | {r['first_run_s']:.2f} |"
        )
    lines += [
        "",
        "| engine | import, s | read SWC, s | build, s | peak memory, MB |",
        "|---|---|---|---|---|",
    ]
    for s in results["setup"]:
        read = f"{s['read_s']:.3f}" if s.get("read_s") is not None else "–"
        name, peak = f"{s['engine']} {s['dtype']}", f"{s['peak_mb']:.0f}"
        lines.append(f"| {name} | {s['import_s']:.2f} | {read} | {s['build_s']:.3f} | {peak} |")
    lines += [
        "",
        "| backward Euler | engine | against | mean difference | largest |",
        "|---|---|---|---|---|",
    ]
    for a in results["agreement"]:
        lines.append(
            f"| {a['what']} | {a['engine']} | {a['against']} | {a['mean']:.2e} | {a['largest']:.2e} |"
        )
    return "\n".join(lines) + "\n"


def cylinders(options: argparse.Namespace) -> dict[str, Any]:
    """Return the tree that all engines run, from Cajax (the file, or its built-in pyramidal cell)."""
    if options.tree:
        return json.loads(Path(options.tree).read_text())
    env = dict(os.environ, PYTHONPATH=str(HERE.parent / "src"), JAX_PLATFORMS="cpu")
    command = [
        options.cajax,
        str(HERE / "peers" / "cylinders.py"),
        *([str(options.swc)] if options.swc else []),
    ]
    return json.loads(subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout)


def options_of(argv: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for engine in ("cajax", "jaxley", "neuron"):
        parser.add_argument(f"--{engine}", metavar="PYTHON", help=f"interpreter that has {engine}")
    parser.add_argument("--swc", type=Path, default=SWC if SWC.exists() else None, help="morphology file")
    parser.add_argument("--tree", help="JSON of length, radius, parent (instead of asking Cajax)")
    parser.add_argument("--ms", type=float, default=20.0, help="simulated time")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--dtypes", nargs="+", default=["float64", "float32"])
    parser.add_argument("--what", nargs="+", default=["forward", "gradient"])
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--no-read", action="store_true", help="do not time the reading of the SWC file")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    return parser.parse_args(argv)


def start(options: argparse.Namespace, task: dict[str, Any]) -> tuple[list[Worker], list[dict[str, Any]]]:
    """Start one process per engine and precision; return them and their times for import, read, build."""
    workers, setup = [], []
    for engine in ("neuron", "cajax", "jaxley"):
        python = getattr(options, engine)
        for dtype in options.dtypes if engine != "neuron" else ["float64"]:
            if not python:
                continue
            worker = Worker(engine, python, dtype, options.core)
            entry = {"engine": engine, "dtype": dtype, **worker.ask("hello")}
            if options.swc and not options.no_read:
                entry |= worker.ask("read", path=str(options.swc.resolve()))
            setup.append(entry | worker.ask("build", task=task))
            workers.append(worker)
            print(f"{engine} {dtype}: " + ", ".join(f"{k} {v}" for k, v in setup[-1].items()), flush=True)
    return workers, setup


def lanes_of(workers: list[Worker], what: str, batch: int, dtype: str) -> list[Lane]:
    """Compile every method of every engine that can do this, and return them ready to be timed."""
    lanes = []
    for worker in workers:
        if worker.dtype != dtype or (worker.engine == "neuron" and batch > 1):
            continue
        for method in METHODS.get((worker.engine, what), ()):
            first = worker.ask("prepare", what=what, batch=batch, method=method)
            if not first["finite"]:
                raise SystemExit(f"{worker.engine} {dtype} {what} {method}: not finite")
            lanes.append(Lane(worker, what, batch, method, first["first_s"]))
    return lanes


def measure(workers: list[Worker], options: argparse.Namespace, n: int, steps: int) -> list[dict[str, Any]]:
    """Take all times and print them as they come."""
    rows = []
    for what in options.what:
        for batch in options.batches:
            for dtype in options.dtypes:
                lanes = lanes_of(workers, what, batch, dtype)
                compare(lanes, options.rounds)
                for r in (lane.row(n, steps) for lane in lanes):
                    rows.append(r)
                    name = f"{what} batch {batch} {dtype} {r['engine']} {r['method']}"
                    speed = f"{r['ns_per_cv_step']:.1f} ns ± {r['spread_percent'] / 2:.0f} %"
                    print(f"{name}: {speed}, first run {r['first_run_s']:.2f} s", flush=True)
    return rows


def main(argv: list[str]) -> None:
    """Run the benchmark."""
    options = options_of(argv)
    tree = cylinders(options)
    n, steps = len(tree["parent"]), round(options.ms / DT)
    workers, setup = start(options, {**tree, "dt": DT, "steps": steps})
    results: dict[str, Any] = {"machine": machine(), "n": n, "steps": steps, "dt": DT, "setup": setup}
    results["versions"] = {k: v for entry in setup for k, v in entry["versions"].items()}
    results["agreement"] = agreement(workers)
    results["rows"] = measure(workers, options, n, steps)
    for entry, worker in zip(setup, workers, strict=True):
        entry |= worker.close()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "peer_step.json").write_text(json.dumps(results, indent=1) + "\n")
    (options.out / "peer_step.md").write_text(table(results))
    print(f"\n{table(results)}")


if __name__ == "__main__":
    main(sys.argv[1:])
