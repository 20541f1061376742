"""How the cost of Cajax grows with control volumes, cells, synapses, steps and parameters."""

import math
from collections.abc import Sequence
from typing import Any

from lab import Lab, Lane, Worker
from tables import number, table

TITLE = "How the cost of Cajax grows"
SECONDS = 240
CABLE = {"length": [1000.0], "radius": [2.0], "parent": [-1]}
BASE = {"method": "staggered", "ms": 10.0}


def sweeps(lab: Lab) -> dict[str, list[tuple[int, dict[str, Any], dict[str, Any]]]]:
    """Return, per quantity, its values with the model and the run that have them."""
    tree = lab.trees("pyramidal", "0", "8", "2")
    cables = [2**k for k in range(6, 14)]
    counts = [4**k for k in range(1, 6)]
    fans = [4 * 8**k for k in range(1, 6)]
    times = [5.0 * 4**k for k in range(5)]
    cable = CABLE | {"ncv": 128}
    found = {
        "control volumes": [(n, CABLE | {"ncv": n}, BASE) for n in cables],
        "cells": [(n, tree | {"cells": n}, BASE) for n in counts],
        "synapses": [(n, tree | {"cells": 64, "synapses": n}, BASE) for n in fans],
        "steps": [(round(ms / 0.025), cable, BASE | {"ms": ms}) for ms in times],
        "parameters": [(max(1, 512 * k), CABLE | {"ncv": 512}, BASE | {"free": k}) for k in range(4)],
    }
    if lab.quick:
        return {k: [(n, m, r | {"ms": 1.0}) for n, m, r in v[:2]] for k, v in found.items()}
    return found


def run(lab: Lab) -> None:
    """Time every sweep, all its points in turn."""
    results: dict[str, Any] = {"rows": []}
    for quantity, points in sweeps(lab).items():
        for what in ("forward", "gradient"):
            if quantity == "parameters" and what == "forward":
                continue
            results["rows"] += sweep(lab, quantity, what, points)
            lab.save(results)
    lab.save(results, done=True)


def sweep(
    lab: Lab, quantity: str, what: str, points: Sequence[tuple[int, dict, dict]]
) -> list[dict[str, Any]]:
    """Return the rows of one sweep; every point has a process of its own."""
    live: list[Worker] = []
    try:
        lanes: list[Lane | None] = []
        for _, model, spec in points:
            live.append(lab.start("cajax", "float32"))
            live[-1].ask("build", **model)
            lanes.append(lab.lane(live[-1], what=what, **spec))
        rows = lab.compare(lanes)
        values = [n for (n, _, _), lane in zip(points, lanes, strict=True) if lane and lane.times]
        return [r | {"quantity": quantity, "value": n} for r, n in zip(rows, values, strict=True)]
    finally:
        for worker in live:
            worker.close()


def slope(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Return the slope of the straight line fitted to logarithms."""
    if len(x) < 2:
        return None
    a, b = [math.log(v) for v in x], [math.log(v) for v in y]
    ma, mb = sum(a) / len(a), sum(b) / len(b)
    return sum((p - ma) * (q - mb) for p, q in zip(a, b, strict=True)) / sum((p - ma) ** 2 for p in a)


def groups(results: dict[str, Any]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the rows by quantity and direction."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for r in results["rows"]:
        found.setdefault((r["quantity"], r["what"]), []).append(r)
    return found


def markdown(results: dict[str, Any]) -> str:
    """Return the slopes and the points."""
    rows = []
    for (quantity, what), points in groups(results).items():
        x, y = [p["value"] for p in points], [p["median_s"] for p in points]
        seen = ", ".join(f"{n:,}: {number(1e3 * t)}" for n, t in zip(x, y, strict=True))
        rows.append((quantity, what, number(slope(x, y), 2), number(slope(x[-3:], y[-3:]), 2), seen))
    return "\n".join(
        [
            "Float32, staggered, dt 0.025 ms, one core. Slopes of straight lines fitted to the logarithms of time and",
            "size: 1 is proportional, 0 is free. Cells have 16 branches of one control volume; 64 cells carry",
            "the synapses.",
            "",
            table(("size in", "what", "slope", "of the last three", "median milliseconds"), rows),
        ]
    )


def figure(results: dict[str, Any], plt: Any) -> Any:
    """Draw one panel per quantity."""
    found = groups(results)
    quantities = list(dict.fromkeys(q for q, _ in found))
    fig, axes = plt.subplots(1, len(quantities), figsize=(2.8 * len(quantities), 2.8), layout="constrained")
    for ax, quantity in zip([axes] if len(quantities) == 1 else axes, quantities, strict=True):
        for what in ("forward", "gradient"):
            if points := found.get((quantity, what)):
                x, y = [p["value"] for p in points], [p["median_s"] for p in points]
                ax.loglog(
                    x, y, "-" if what == "forward" else "--", marker="o", ms=4, color="#0072b2", label=what
                )
        ax.set(xlabel=quantity, ylabel="s")
        ax.legend(fontsize=7)
    return fig
