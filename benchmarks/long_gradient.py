"""Memory and time of long gradients: a CA1 cell with Hodgkin–Huxley everywhere, 100 ms, 1 s and 10 s.

Each gradient runs in a fresh process, which says first what `cx.plan` expects, then what was measured: the peak of its
resident memory, and the time without compilation. See README.md.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SWC = Path(__file__).resolve().parents[2] / "shared" / "data" / "morphologies" / "ca1" / "morph_ca1_n120.swc"
LIMIT = 4 * 2**30  # bytes that the longest gradient shall fit into


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--t1", type=float, nargs="+", default=[100.0, 1000.0, 10000.0], help="ms")
    parser.add_argument("--dt", type=float, default=0.1, help="ms (default: 0.1)")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--batch", type=int, default=1, help="runs at once (default: 1)")
    parser.add_argument(
        "--memory",
        type=float,
        nargs="+",
        default=[2e9, 2e7],
        help="budgets of Checkpointed, bytes (default: 2e9, and 2e7 so that segments are nested)",
    )
    parser.add_argument("--most", type=float, default=600.0, help="skip what is expected to take longer, s")
    parser.add_argument("--worker", type=float, nargs=2, metavar=("T1", "MEMORY"), help=argparse.SUPPRESS)
    return parser.parse_args()


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def resident() -> int:
    """Peak resident memory of this process so far, bytes (Linux counts in kB, macOS in bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def worker(options: argparse.Namespace) -> None:
    """Compile and run one gradient; every line on the standard output is one JSON object."""
    import jax

    jax.config.update("jax_enable_x64", options.dtype == "float64")
    import jax.numpy as jnp

    import cajax as cx
    from cajax.mech import HH
    from cajax.plan import plan

    t1, memory = options.worker
    shape = cx.read_morphology(SWC) if SWC.is_file() else cx.pyramidal(0)
    model = cx.Cell(shape).paint("all", hh=HH()).discretize(cx.PerBranch(1))
    # 10 nA drive the soma of this cell through a spike every 10 ms or so.
    amps = jnp.linspace(8.0, 12.0, options.batch) if options.batch > 1 else jnp.array([10.0])
    adjoint = cx.Checkpointed(memory)

    def loss(params: dict[str, jax.Array], amps: jax.Array) -> jax.Array:
        def one(amp: jax.Array) -> jax.Array:
            clamp = cx.IClamp("soma", delay=2.0, dur=t1, amp=amp)
            return cx.simulate(model.replace(params), t1, options.dt, [clamp], adjoint=adjoint)["v"]

        v = jax.vmap(one)(amps) if options.batch > 1 else one(amps[0])
        return jnp.mean((v + 60.0) ** 2)

    expected = plan(model, t1, options.dt, options.batch, [cx.IClamp("soma", 2.0, t1, 10.0)], adjoint=adjoint)
    say(
        cvs=expected.cvs,
        steps=expected.steps,
        levels=expected.levels,
        expected_s=expected.gradient_seconds,
        expected_bytes=expected.gradient_bytes,
    )
    if (expected.gradient_seconds or 0.0) > options.most:
        return
    begin = time.perf_counter()
    gradient = jax.jit(jax.value_and_grad(loss)).lower(model.params, amps).compile()
    say(compile_s=time.perf_counter() - begin, before=resident())
    begin, busy = time.perf_counter(), time.process_time()
    value, slopes = jax.block_until_ready(gradient(model.params, amps))
    say(
        gradient_s=time.perf_counter() - begin,
        cpu_s=time.process_time() - busy,
        peak=resident(),
        loss=float(value),
        slope=float(slopes["all.hh.gna"]),
    )


def measure(options: argparse.Namespace, t1: float, memory: float) -> dict[str, Any]:
    """Run one worker and print what it says as it says it."""
    name = f"{t1:g} ms, budget {memory / 1e6:g} MB"
    print(f"{name}: importing, planning", flush=True)
    command = [sys.executable, __file__, "--worker", str(t1), str(memory), "--dt", str(options.dt)]
    command += ["--dtype", options.dtype, "--batch", str(options.batch), "--most", str(options.most)]
    found: dict[str, Any] = {"t1": t1, "memory": memory}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            news = json.loads(line)
            found |= news
            if "expected_s" in news:
                expected = (
                    f"about {news['expected_s']:.2g} s and {news['expected_bytes'] / 1e6:.3g} MB expected"
                )
                print(f"{name}: {news['steps']} steps, {expected}; compiling", flush=True)
            elif "compile_s" in news:
                done = time.strftime("%H:%M:%S", time.localtime(time.time() + found["expected_s"]))
                print(f"{name}: compiled in {news['compile_s']:.1f} s; done about {done}", flush=True)
    if process.returncode:
        print(f"{name}: the process ended with {process.returncode}", flush=True)
    return found


def row(x: dict[str, Any], batch: int) -> str:
    head = f"| {x['t1']:g} | {x['memory'] / 1e6:g} | {x.get('steps', '?')} | {x.get('levels', '?')} "
    if "gradient_s" not in x:
        return head + f"| {x.get('expected_s', float('nan')):.3g} expected, not run |  |  |  |  |  |  |"
    per = 1e9 * x["cpu_s"] / (x["steps"] * x["cvs"] * batch)
    added = x["peak"] - x["before"]
    return head + (
        f"| {x['gradient_s']:.3g} ({x['expected_s']:.3g}) | {x['cpu_s']:.3g} | {per:.0f} | {x['compile_s']:.1f} "
        f"| {added / 1e6:.0f} ({x['expected_bytes'] / 1e6:.3g}) | {x['peak'] / 1e6:.0f} "
        f"| {'yes' if x['peak'] < LIMIT else 'NO'} |"
    )


def main() -> None:
    options = arguments()
    if options.worker:
        return worker(options)
    if not SWC.is_file():
        print("CA1 cell n120 is absent; the built-in pyramidal cell stands in", flush=True)
    rows = [measure(options, t1, memory) for memory in options.memory for t1 in options.t1]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(
        f"\n{options.dtype}, dt {options.dt:g} ms, batch {options.batch}, {cores} core(s); in brackets: expected\n"
    )
    print(
        "| t1, ms | budget, MB | steps | levels | gradient, s | of the processor, s | ns per CV and step | compile, s "
        "| memory of the run, MB | peak of the process, MB | in 4 GiB |"
    )
    print("|---" * 11 + "|")
    for x in rows:
        print(row(x, options.batch))


if __name__ == "__main__":
    main()
