"""A network of branched cells and graded synapses: forward and gradient, Cajax and Jaxley, with peak memory."""

from typing import Any

from lab import Lab, agreement
from tables import COLOURS, name, number, span, table

TITLE = "Network of 200 cells and 20,000 graded synapses"
SECONDS = 420
CELLS = (25, 50, 100, 200)
FAN = 100  # synapses per cell
PATIENCE = 150.0  # s that an engine may be expected to build


def run(lab: Lab) -> None:
    """Grow the network; an engine whose next build would take too long stays behind."""
    tree = lab.trees("pyramidal", "0", "8", "2")
    results: dict[str, Any] = {"agreement": [], "rows": [], "setup": [], "branches": len(tree["parent"])}
    engines = [e for e in ("cajax", "jaxley") if e in lab.engines]
    for cells in (4, 8) if lab.quick else CELLS:
        model = tree | {"ncv": 1 if lab.quick else 4, "cells": cells, "synapses": cells * FAN}
        ms = 1.0 if lab.quick else 10.0
        if not results["agreement"]:
            results["agreement"] = compare(lab, model, engines, ms)
        with lab.workers(model, ["float32"], engines) as workers:
            sizes = {
                "cells": cells,
                "synapses": model["synapses"],
                "n": len(tree["parent"]) * model["ncv"] * cells,
            }
            results["setup"] += [{"engine": w.engine, **sizes, **w.facts} for w in workers]
            for what, methods in (("forward", [""]), ("gradient", ["/checkpointed", ""])):
                lanes = [
                    lab.lane(w, what=what, method="backward_euler" + m, ms=ms)
                    for m in methods
                    for w in workers
                    if w.engine == "jaxley" or not m
                ]
                results["rows"] += [r | sizes for r in lab.compare(lanes)]
            slow = [w.engine for w in workers if 2 * w.facts["build_s"] > PATIENCE]
        for engine in slow:
            lab.note(
                f"{engine} stays at {cells} cells: building twice as many would take more than {PATIENCE:g} s"
            )
        engines = [e for e in engines if e not in slow]
        lab.save(results)
    lab.save(results, done=True)


def compare(lab: Lab, model: dict[str, Any], engines: list[str], ms: float) -> list[dict[str, Any]]:
    """Compare voltages of all cells, and the gradients of weights and of summed conductances, in float64."""
    with lab.workers(model, ["float64"], engines) as workers:
        spec = {"method": "backward_euler", "ms": ms}
        found = [agreement([lab.lane(w, "values", what=what, **spec) for w in workers])
                 for what in ("forward", "gradient")]  # fmt: skip
    return [row for rows in found for row in rows]


def markdown(results: dict[str, Any]) -> str:
    """Return tables of building, of time per step, and of agreement."""
    built = [(r["engine"], r["cells"], f"{r['n']:,}", f"{r['synapses']:,}", number(r["build_s"]),
              number(r["peak_mb"])) for r in results["setup"]]  # fmt: skip
    rows = [(r["what"], r["cells"], name(r), span(r, 1e6 / (r["ms"] / 0.025)), number(r["first_s"]),
             number(r["peak_mb"])) for r in results["rows"]]  # fmt: skip
    gaps = [(r["what"], r["engine"], r["against"], f"{r['mean']:.1e}", f"{r['largest']:.1e}", f"{r['relative']:.1e}")
            for r in results["agreement"]]  # fmt: skip
    return "\n".join(
        [
            f"Copies of a pyramidal cell of {results['branches']} branches, HH everywhere; {FAN} graded synapses per",
            "cell between random pairs, soma to four dendrites, a weight each. Float32, dt 0.025 ms, 10 ms, one core.",
            "Peak memory is that of the whole process so far: forward first, then gradients in the order shown.",
            "",
            table(("engine", "cells", "control volumes", "synapses", "build, s", "peak, MB"), built),
            table(("what", "cells", "engine, method", "µs per step", "first run, s", "peak, MB"), rows),
            "Agreement at the smallest size in float64 (voltages of all somata, mV; gradients of all weights and of",
            "the summed conductances):",
            "",
            table(("what", "engine", "against", "mean", "largest", "of the largest entry"), gaps),
        ]
    )


def figure(results: dict[str, Any], plt: Any) -> Any:
    """Draw time per step and peak memory against the number of cells."""
    fig, axes = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
    kinds = list(dict.fromkeys((r["engine"], r["method"], r["what"]) for r in results["rows"]))
    for engine, method, what in kinds:
        rows = [r for r in results["rows"] if (r["engine"], r["method"], r["what"]) == (engine, method, what)]
        style = {"color": COLOURS[engine], "ls": "-" if what == "forward" else "--", "marker": "o", "ms": 4}
        label, x = f"{name(rows[0])}, {what}", [r["cells"] for r in rows]
        axes[0].loglog(x, [1e6 * r["median_s"] / (r["ms"] / 0.025) for r in rows], label=label, **style)
        axes[1].loglog(x, [r["peak_mb"] for r in rows], **style)
    axes[0].set(xlabel="cells", ylabel="µs per step")
    axes[1].set(xlabel="cells", ylabel="peak memory, MB")
    axes[0].legend(fontsize=6)
    return fig
