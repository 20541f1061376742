"""Time per control volume and step: forward and gradient, over batches and precisions."""

from typing import Any

from lab import Lab, Worker, agreement
from tables import bars, name, span, table

TITLE = "Time per control volume and step"
SECONDS = 840
BE, ST = "backward_euler", "staggered"
BATCHES = {"cable": (1, 64), "n120": (1, 8, 64, 512), "n144": (1, 64)}
LANES = 100_000  # control volumes times batch beyond which a comparison would take too long
SHORT = 20_000  # beyond which runs are 5 ms instead of 20


def models(lab: Lab) -> dict[str, dict[str, Any]]:
    """Return the chosen models and their amplitudes in nA."""
    makers = {
        "cable": lambda: {"length": [1000.0], "radius": [2.0], "parent": [-1], "ncv": 100},
        "n120": lambda: lab.ca1("morph_ca1_n120.swc") | {"ncv": 1},
        "n144": lambda: lab.ca1("n144.swc") | {"ncv": 4},
    }
    return {key: makers[key]() for key in lab.options.models or (["cable"] if lab.quick else makers)}


def methods(engine: str, what: str, batch: int) -> list[str]:
    """Return what an engine is timed with; none where it cannot."""
    if engine == "cajax":
        return [BE, ST, f"{BE}/xla"]
    if engine == "jaxley" and what == "gradient":
        # Beyond small batches the plain way was two to three times slower whenever measured, and takes gigabytes.
        return [f"{BE}/checkpointed", *([BE] if batch <= 8 else [])]
    if engine == "neuron" and what == "forward":
        return [BE, *([f"{BE}/tables"] if batch == 1 else [])]
    return [BE] if what == "forward" else []


def run(lab: Lab) -> None:
    """Compare first, then time."""
    results: dict[str, Any] = {"agreement": [], "rows": [], "setup": []}
    for key, model in models(lab).items():
        with lab.workers(model) as workers:
            n = len(model["parent"]) * model["ncv"]
            for w in workers:
                if w.facts["n"] != n:
                    lab.note(f"{w.name} has {w.facts['n']} control volumes, not {n}")
            results["setup"] += [{"engine": w.name, "model": key, **w.facts} for w in workers]
            for what in ("forward", "gradient"):
                lanes = [lab.lane(w, "values", what=what, method=BE, ms=2.0 if lab.quick else 20.0)
                         for w in workers if methods(w.engine, what, 1)]  # fmt: skip
                results["agreement"] += [{"model": key, **row} for row in agreement(lanes)]
            for what in ("forward", "gradient"):
                for batch in lab.options.batches or ((1, 4) if lab.quick else BATCHES[key]):
                    results["rows"] += [
                        r | {"model": key, "n": n} for r in times(lab, workers, what, batch, n)
                    ]
                    lab.save(results)
    lab.save(results, done=True)


def times(lab: Lab, workers: list[Worker], what: str, batch: int, n: int) -> list[dict[str, Any]]:
    """Return the rows of one comparison in both precisions."""
    if n * batch > LANES:
        lab.note(f"batch {batch} of {n} control volumes is left out")
        return []
    ms, rows = 5.0 if n * batch > SHORT else 20.0, []
    for dtype in ("float64", "float32"):
        chosen = [w for w in workers if w.dtype == dtype]
        rows += lab.compare(
            [
                lab.lane(w, what=what, method=method, batch=batch, ms=2.0 if lab.quick else ms)
                for w in chosen
                for method in methods(w.engine, what, batch)
            ]
        )
    return rows


def scale(row: dict[str, Any]) -> float:
    """Return what turns seconds of a run into nanoseconds per control volume and step."""
    return 1e9 / (row["n"] * row["batch"] * row["ms"] / 0.025)


COLUMNS = {
    "Cajax": ("cajax", (BE,)),
    "Cajax, staggered": ("cajax", (ST,)),
    "Cajax by JAX's scan": ("cajax", (f"{BE}/xla",)),
    "Jaxley": ("jaxley", (BE, f"{BE}/checkpointed")),
    "NEURON": ("neuron", (BE,)),
    "NEURON, tables": ("neuron", (f"{BE}/tables",)),
    "Arbor": ("arbor", (BE,)),
}


def lines(results: dict[str, Any]) -> tuple[list[list[str]], list[list[str]]]:
    """Return nanoseconds and the first runs, a line per model, direction, batch and precision."""
    speed, first = [], []
    kinds = dict.fromkeys((r["model"], r["what"], r["batch"], r["dtype"]) for r in results["rows"])
    for kind in kinds:
        rows = [r for r in results["rows"] if (r["model"], r["what"], r["batch"], r["dtype"]) == kind]
        best = {}
        for column, (engine, chosen) in COLUMNS.items():
            fitting = [r for r in rows if r["engine"] == engine and r["method"] in chosen]
            if fitting:
                best[column] = min(fitting, key=lambda r: r["median_s"])
        ours, theirs = best.get("Cajax"), best.get("Jaxley")
        ratio = f"{theirs['median_s'] / ours['median_s']:.1f}" if ours and theirs else ""
        head = [f"{kind[0]}, {kind[1]}, batch {kind[2]}, {kind[3]}"]
        least = f"{ours['floor_s'] * scale(ours):.1f}" if ours and ours["floor_s"] else ""
        speed.append(
            [*head, least, *(span(best[c], scale(best[c])) if c in best else "" for c in COLUMNS), ratio]
        )
        first.append([*head, *(f"{best[c]['first_s']:.2f}" if c in best else "" for c in COLUMNS)])
    return speed, first


def markdown(results: dict[str, Any]) -> str:
    """Return the tables of times and of agreement."""
    speed, first = lines(results)
    gaps = [(r["model"], r["what"], r["engine"], r["against"], f"{r['mean']:.1e}", f"{r['largest']:.1e}",
             f"{r['relative']:.1e}") for r in results["agreement"]]  # fmt: skip
    return "\n".join(
        [
            "HH in every control volume, dt 0.025 ms, one core; a batch is `vmap` in JAX, elsewhere cells of one",
            "model. Nanoseconds per control volume and step by backward Euler unless said: median (least–largest).",
            "Jaxley's gradient is the faster of plain and checkpointed (plain up to batch 8). The floor counts what",
            "Cajax's kernels take on a core that starts 512 bits of each kind per cycle and never waits (floor.py).",
            "",
            table(("what", "floor of Cajax", *COLUMNS, "Jaxley ÷ Cajax"), speed),
            "Seconds of the first run, most of it compilation:",
            "",
            table(("what", *COLUMNS), first),
            "Difference by backward Euler, over all voltages (mV) or all entries of the gradient:",
            "",
            table(("model", "what", "engine", "against", "mean", "largest", "of the largest entry"), gaps),
        ]
    )


def figure(results: dict[str, Any], plt: Any) -> Any:
    """Draw one panel per model and direction."""
    kinds = list(dict.fromkeys((r["model"], r["what"]) for r in results["rows"]))
    tall = max((sum((r["model"], r["what"]) == k for r in results["rows"]) for k in kinds), default=1)
    fig, axes = plt.subplots(
        1, max(len(kinds), 1), figsize=(4.2 * len(kinds), 0.16 * tall + 1), squeeze=False
    )
    for ax, kind in zip(axes[0], kinds, strict=False):
        rows = [r for r in results["rows"] if (r["model"], r["what"]) == kind]
        rows = [r | {k: r[k] * scale(r) for k in ("median_s", "least_s", "largest_s")} for r in rows]
        bars(ax, rows, 1.0, [f"{name(r)}, {r['batch']}, {r['dtype'][5:]}" for r in rows])
        ax.set(title=" ".join(kind), xlabel="ns per control volume and step")
    return fig
