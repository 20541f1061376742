"""Time a CA1 cell over batches on whatever device JAX has: the batch table of the Jaxley paper, on a GPU too.

    python benchmarks/batches.py FILE.swc [--out FILE.json] [--batches 1 10 100 1000 10000] [--seconds 420]

868 control volumes of HH, 800 steps of 0.025 ms by backward Euler, float32, a current step whose amplitude differs
over the batch; the gradient is that of the mean of (v + 60 mV)² with respect to gNa, gK, gLeak of every control
volume. The tree solve alone is timed beside it. The file is written after every figure; what the time or the memory
does not allow is noted there.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import cajax as cx
from cajax.mech import HH
from cajax.solve import solve

DT, STEPS = 0.025, 800
FREE = ("all.hh.gna", "all.hh.gk", "all.hh.gl")


def programs(swc: Path) -> dict[str, Callable[[jax.Array], Any]]:
    """Return what is timed, each a compiled function of amplitudes [batch] in nA."""
    model = cx.Cell(cx.read_morphology(swc)).paint("all", hh=HH()).discretize(cx.PerBranch(4))
    for path in FREE:
        model = model.widened(path, "cv")
    root = cx.at(0, 0.5)
    params = {path: model.params[path] for path in FREE}

    def voltages(params: dict[str, jax.Array], amps: jax.Array) -> jax.Array:
        def one(amp: jax.Array) -> jax.Array:
            clamp = cx.IClamp(root, delay=1.0, dur=DT * STEPS, amp=amp)
            out = cx.simulate(
                model.replace(params), DT * STEPS, DT, [clamp], {"v": root}, method=cx.BackwardEuler()
            )
            return out["v"]

        return jax.vmap(one)(amps)

    def loss(params: dict[str, jax.Array], amps: jax.Array) -> jax.Array:
        return jnp.mean((voltages(params, amps) + 60.0) ** 2)

    forest, n = model.structure.forest, model.area.size
    edges = sum(tree.n_nodes * tree.lanes for tree in forest)

    def solves(amps: jax.Array) -> jax.Array:
        """As many solves as a run has steps, with nothing around them."""

        def one(amp: jax.Array) -> jax.Array:
            a, g = jnp.full(n, 1.0 + amp), jnp.full(edges, 0.5)
            return jax.lax.fori_loop(0, STEPS, lambda _, b: solve(forest, a, g, b), jnp.ones(n))

        return jax.vmap(one)(amps)

    forward, gradient = jax.jit(voltages), jax.jit(jax.grad(loss))
    return {
        "forward": lambda amps: forward(params, amps),
        "solves": jax.jit(solves),
        "gradient": lambda amps: gradient(params, amps),
    }


def timed(program: Callable[[jax.Array], Any], amps: jax.Array, until: float) -> dict[str, Any]:
    """Return seconds of the first run and of up to three more, or why there are none."""
    start = time.perf_counter()
    try:
        result = jax.block_until_ready(program(amps))
    except Exception as error:  # what an exhausted device raises is no class that JAX promises
        return {"failed": str(error).splitlines()[0][:200]}
    first, again = time.perf_counter() - start, []
    finite = all(bool(jnp.isfinite(x).all()) for x in jax.tree.leaves(result))
    while not again or (len(again) < 3 and sum(again) < 6.0 and time.perf_counter() + again[0] < until):
        start = time.perf_counter()
        jax.block_until_ready(program(amps))
        again.append(time.perf_counter() - start)
    return {"first_s": first, "median_s": statistics.median(again), "runs_s": again, "finite": finite}


def main() -> None:
    """Measure, batch by batch, until the time is spent."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("swc", type=Path)
    parser.add_argument("--out", type=Path, default=Path("batches.json"))
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 10, 100, 1000, 10000])
    parser.add_argument("--only", nargs="+", default=["forward", "gradient", "solves"])
    parser.add_argument("--seconds", type=float, default=420.0, help="begin nothing after so long")
    options = parser.parse_args()
    until = time.perf_counter() + options.seconds
    device = jax.devices()[0]
    results: dict[str, Any] = {"device": device.device_kind, "jax": jax.__version__, "rows": []}
    todo = programs(options.swc)
    for what in options.only:
        for batch in options.batches:
            row: dict[str, Any] = {"what": what, "batch": batch}
            if time.perf_counter() > until:
                row["failed"] = "no time left"
            else:
                row |= timed(todo[what], jnp.linspace(0.5, 1.5, batch), until)
            results["rows"].append(row)
            options.out.write_text(json.dumps(results, indent=1) + "\n")
            print({key: round(x, 4) if isinstance(x, float) else x for key, x in row.items()}, flush=True)


if __name__ == "__main__":
    main()
