"""Peak memory of a gradient over long runs, a fresh process for each."""

from typing import Any

from lab import CABLE, Lab, free_mb
from tables import COLOURS, number, table

TITLE = "Memory of long gradients"
SECONDS = 300
METHODS = {
    "cajax": ("staggered",),
    "jaxley": ("backward_euler/checkpointed", "backward_euler"),
}


def run(lab: Lab) -> None:
    """Take one gradient per process; a method that would not fit is not tried."""
    model: dict[str, Any] = CABLE if lab.quick else lab.ca1("morph_ca1_n120.swc") | {"ncv": 1}
    results: dict[str, Any] = {"rows": [], "n": len(model["parent"]) * model["ncv"]}
    for engine in (e for e in METHODS if e in lab.engines):
        for method in METHODS[engine]:
            grown = 0.0
            for ms in (2.0, 4.0) if lab.quick else (100.0, 1000.0, 10000.0):
                if 10 * grown > 0.8 * free_mb() and "/" not in method and engine != "cajax":
                    lab.note(
                        f"{engine} {method} over {ms:g} ms would take about {10 * grown / 1024:.0f} GB: not tried"
                    )
                    break
                with lab.workers(model, ["float32"], [engine]) as workers:
                    rows = [row for w in workers if (row := gradient(lab, w, method, ms))]
                    results["rows"] += rows
                if not rows:
                    break
                grown = rows[0]["peak_mb"] - rows[0]["base_mb"]
                lab.save(results)
    lab.save(results, done=True)


def gradient(lab: Lab, worker: Any, method: str, ms: float) -> dict[str, Any] | None:
    """Return the peak memory of one process that takes one gradient, and the time of a second one."""
    lane = lab.lane(worker, what="gradient", method=method, ms=ms)
    if lane is None:
        return None
    lab.say(f"{worker.name}: gradient over {ms:g} ms")
    answer = worker.ask("run", **lane.run)
    base = {"engine": worker.engine, "method": method, "ms": ms, "base_mb": worker.facts["peak_mb"]}
    return base | {
        "peak_mb": answer["peak_mb"],
        "seconds": answer["seconds"],
        "first_s": lane.first["first_s"],
    }


def markdown(results: dict[str, Any]) -> str:
    """Return one row per engine, method and duration."""
    rows = [(f"{r['engine']}, {r['method'].replace('_', ' ')}", f"{r['ms'] / 1000:g}", f"{r['ms'] / 0.025:,.0f}",
             number(r["peak_mb"]), number(r["peak_mb"] - r["base_mb"]), number(r["seconds"]), number(r["first_s"]))
            for r in results["rows"]]  # fmt: skip
    return "\n".join(
        [
            f"The gradient with respect to 3 × {results['n']} conductances, dt 0.025 ms, float32, one core. Peak",
            "memory (`ru_maxrss`) of a process that does nothing else; *above built* leaves out imports and the model.",
            "One sample of the time.",
            "",
            table(
                ("engine", "simulated, s", "steps", "peak, MB", "above built, MB", "time, s", "first, s"),
                rows,
            ),
        ]
    )


def figure(results: dict[str, Any], plt: Any) -> Any:
    """Draw memory against duration."""
    fig, ax = plt.subplots(figsize=(4.5, 3.4))
    for engine, method in dict.fromkeys((r["engine"], r["method"]) for r in results["rows"]):
        rows = [r for r in results["rows"] if (r["engine"], r["method"]) == (engine, method)]
        label = f"{engine}, {method.replace('_', ' ')}"
        style = "--" if method == "backward_euler" else "-"
        x, y = [r["ms"] / 1000 for r in rows], [r["peak_mb"] for r in rows]
        ax.loglog(x, y, style, marker="o", color=COLOURS[engine], label=label)
    ax.set(xlabel="simulated time, s", ylabel="peak memory, MB")
    ax.legend(fontsize=7)
    return fig
