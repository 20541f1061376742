"""Run the benchmarks: Cajax beside other simulators, each in its own interpreter, on this machine.

    python benchmarks/run.py [--jaxley PYTHON] [--neuron PYTHON] [--arbor PYTHON] [--only step accuracy] [--quick]

Every workload leaves `NAME.json` in the results' folder as it goes; `--report` builds the Markdown and the
pictures from whatever is there.
"""

import argparse
import json
import os
import sys
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from lab import ENGINES, EngineError, Lab  # noqa: E402
from report import report  # noqa: E402

WORKLOADS = ("step", "sets", "accuracy", "startup", "network", "memory", "scaling", "cores")


def options_of(argv: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for engine in ENGINES:
        default = sys.executable if engine == "cajax" else None
        parser.add_argument(
            f"--{engine}", metavar="PYTHON", default=default, help=f"interpreter with {engine}"
        )
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=WORKLOADS, help="workloads to run")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does everything work?")
    parser.add_argument("--report", action="store_true", help="run nothing, rebuild the report")
    parser.add_argument("--rounds", type=int, default=5, help="samples of every time")
    parser.add_argument("--cores", type=int, nargs="+", default=sorted(_cores())[:2], help="cores to pin to")
    parser.add_argument("--models", nargs="+", choices=("cable", "n120", "n144"), help="models of `step`")
    parser.add_argument("--batches", type=int, nargs="+", help="batches of `step`")
    parser.add_argument("--xla-flags", default="", help="for all JAX engines alike")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    options = parser.parse_args(argv)
    if options.quick and not options.report:
        options.out /= "quick"
    if missing := set(options.cores) - _cores():
        parser.error(f"there is no core {min(missing)} here; choose --cores among {sorted(_cores())}")
    return options


def _cores() -> set[int]:
    return (
        set(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    )


def expected(path: Path, seconds: float) -> float:
    """Return how long a workload took here when it last ended, or else `seconds`."""
    last = json.loads(path.read_text()) if path.exists() else {}
    return last["seconds"] if last.get("complete") else seconds


def main(argv: list[str]) -> int:
    """Run the chosen workloads, then write the report."""
    options = options_of(argv)
    modules = {} if options.report else {name: import_module(f"workloads.{name}") for name in options.only}
    seconds = {name: expected(options.out / f"{name}.json", m.SECONDS) for name, m in modules.items()}
    left, status = sum(seconds.values()), 0
    lab = Lab(options)
    try:
        for name, module in modules.items():
            left -= seconds[name]
            lab.begin(name, seconds[name], left)
            try:
                module.run(lab)
            except EngineError as error:
                print(f"{name} stopped: {error}", file=sys.stderr)
                status = 1
    except KeyboardInterrupt:
        print("\nstopped; what was measured is kept", file=sys.stderr)
        status = 130
    print(f"wrote {report(options.out, WORKLOADS)}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
