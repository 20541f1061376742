"""Sets of parameters as lanes, as every search makes them: a random tree of 80 control volumes, 64 sets at once."""

from typing import Any

import numpy as np
from lab import Lab, agreement
from tables import bars, name, span, table

TITLE = "64 sets of parameters at once"
SECONDS = 120
CVS = 80
METHODS = {
    "cajax": ("backward_euler", "backward_euler/xla"),
    "jaxley": ("backward_euler", "backward_euler/checkpointed"),
}


def tree() -> dict[str, Any]:
    """Return a tree of cylinders, each on one of the six before it."""
    rng = np.random.default_rng(80)
    parent = [-1, *(int(rng.integers(max(0, k - 6), k)) for k in range(1, CVS))]
    return {
        "length": [20.0, *rng.uniform(10.0, 60.0, CVS - 1).tolist()],
        "radius": [8.0, *rng.uniform(0.3, 1.5, CVS - 1).tolist()],
        "parent": parent,
        "ncv": 1,
    }


def run(lab: Lab) -> None:
    """Compare first, then time."""
    results: dict[str, Any] = {"agreement": [], "rows": []}
    batch, ms = (4, 2.0) if lab.quick else (64, 20.0)
    with lab.workers(tree(), engines=("cajax", "jaxley")) as workers:
        for what in ("forward", "gradient"):
            plain = [lab.lane(w, "values", what=what, batch=batch, ms=ms, sets=True) for w in workers]
            results["agreement"] += agreement(plain)
            for dtype in ("float64", "float32"):
                lanes = [
                    lab.lane(w, what=what, method=method, batch=batch, ms=ms, sets=True)
                    for w in workers
                    if w.dtype == dtype
                    for method in METHODS[w.engine][: 1 if what == "forward" and w.engine == "jaxley" else 2]
                ]
                results["rows"] += lab.compare(lanes)
                lab.save(results)
    lab.save(results, done=True)


def scale(row: dict[str, Any]) -> float:
    """Return what turns seconds of a run into nanoseconds per control volume and step."""
    return 1e9 / (CVS * row["batch"] * row["ms"] / 0.025)


def markdown(results: dict[str, Any]) -> str:
    """Return the tables of times and of agreement."""
    lines = []
    for what, dtype in dict.fromkeys((r["what"], r["dtype"]) for r in results["rows"]):
        rows = [r for r in results["rows"] if (r["what"], r["dtype"]) == (what, dtype)]
        ours = [
            next((r for r in rows if r["engine"] == "cajax" and r["method"] == m), None)
            for m in METHODS["cajax"]
        ]
        theirs = min((r for r in rows if r["engine"] == "jaxley"), key=lambda r: r["median_s"], default=None)
        both = ours[0] is not None and theirs is not None
        ratio = f"{theirs['median_s'] / ours[0]['median_s']:.1f}" if both else ""
        lines.append([f"{what}, {dtype}", *(span(r, scale(r)) if r else "" for r in (*ours, theirs)), ratio])
    gaps = [
        (r["engine"], r["against"], f"{r['mean']:.1e}", f"{r['relative']:.1e}") for r in results["agreement"]
    ]
    return "\n".join(
        [
            "Nanoseconds per control volume and step, one core, backward Euler: median (least–largest). Jaxley's",
            "gradient is the faster of plain and checkpointed.",
            "",
            table(("what", "Cajax", "Cajax by JAX's scan", "Jaxley", "Jaxley ÷ Cajax"), lines),
            "Differences:",
            "",
            table(("engine", "against", "mean", "of the largest entry"), gaps),
        ]
    )


def figure(results: dict[str, Any], plt: Any) -> Any:
    """Draw one panel per direction."""
    fig, axes = plt.subplots(1, 2, figsize=(9, 2.4))
    for ax, what in zip(axes, ("forward", "gradient"), strict=True):
        rows = [r for r in results["rows"] if r["what"] == what]
        rows = [r | {k: r[k] * scale(r) for k in ("median_s", "least_s", "largest_s")} for r in rows]
        bars(ax, rows, 1.0, [f"{name(r)}, {r['dtype'][5:]}" for r in rows])
        ax.set(title=what, xlabel="ns per control volume and step")
    return fig
