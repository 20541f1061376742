"""Time to accuracy: how long each engine takes to place the spikes within 0.1, 0.03 and 0.01 ms."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from lab import CABLE, Lab, Lane, Worker
from tables import COLOURS, name, number, span, table

TITLE = "Time to accuracy"
SECONDS = 500
TARGETS = (0.1, 0.03, 0.01)  # ms
AMP = 1.5  # nA
BATCH = 64
FIRST = (0.025, 0.0125, 0.005, 0.0025, 0.00125)  # ms, for first-order methods
SECOND = (0.1, 0.05, 0.025, 0.0125, 0.00625)
ATOL = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
SWEEPS = {
    ("cajax", "staggered"): SECOND,
    ("cajax", "backward_euler"): FIRST,
    ("jaxley", "backward_euler"): FIRST,
    ("jaxley", "crank_nicolson"): SECOND,
    ("neuron", "backward_euler"): FIRST[:-1],
    ("neuron", "second_order"): SECOND,
    ("neuron", "variable"): ATOL,
    ("arbor", "backward_euler"): FIRST,
}


def run(lab: Lab) -> None:
    """Find the reference, sweep every engine's settings, then the cost per cell of a batch."""
    results: dict[str, Any] = {"rows": [], "batch": [], "ms": 5.0 if lab.quick else 100.0}
    model = CABLE if lab.quick else lab.ca1("morph_ca1_n120.swc") | {"ncv": 4}
    with lab.workers(model) as workers:
        results |= reference(lab, workers, results["ms"])
        lanes = [lane for w in workers for lane in sweep(lab, w, results["ms"])]
        errors = {id(lane): error(lane.first["spikes"], results["spikes"]) for lane in lanes}
        rows = lab.compare(lanes)
        results["rows"] = [
            r | {"error_ms": errors[id(x)]} for r, x in zip(rows, (x for x in lanes if x.times), strict=True)
        ]
        lab.save(results)
        results["batch"] = batches(lab, workers)
    lab.save(results, done=True)


def reference(lab: Lab, workers: Sequence[Worker], ms: float) -> dict[str, Any]:
    """Return the converged spike times, from NEURON's CVODE where it is there, and how far two engines differ."""
    settings = {
        "neuron": {"method": "variable", "atol": 1e-10},
        "cajax": {"method": "staggered", "dt": 0.00125},
    }
    found = {}
    for w in workers:
        if w.engine in settings and w.dtype == "float64":
            lane = lab.lane(w, "spikes", ms=ms, amp=AMP, **settings[w.engine])
            if lane:
                found[w.engine] = lane.first["spikes"]
    first = next((found[e] for e in settings if e in found), [])
    apart = error(found["cajax"], first) if len(found) == 2 else None
    return {
        "spikes": first,
        "reference": next(iter(e for e in settings if e in found), ""),
        "apart_ms": apart,
    }


def sweep(lab: Lab, worker: Worker, ms: float) -> list[Lane]:
    """Return one program per setting; ours by backward Euler in float64 only, as a yardstick."""
    lanes = []
    for (engine, method), steps in SWEEPS.items():
        if engine != worker.engine or (method == "backward_euler" and worker.name == "cajax float32"):
            continue
        for step in steps[:2] if lab.quick else steps:
            run: dict[str, Any] = {"atol": step} if method == "variable" else {"dt": step}
            lanes.append(lab.lane(worker, "spikes", method=method, ms=ms, amp=AMP, **run))
    return [lane for lane in lanes if lane]


def error(spikes: Sequence[float], true: Sequence[float]) -> float | None:
    """Return the largest spike-time error in ms; None when their number differs."""
    if len(spikes) != len(true) or not true:
        return None
    return max(abs(a - b) for a, b in zip(spikes, true, strict=True))


def batches(lab: Lab, workers: Sequence[Worker]) -> list[dict[str, Any]]:
    """Time fixed steps for a batch of cells over a short run: their cost does not depend on dt."""
    size, ms = (4, 1.0) if lab.quick else (BATCH, 10.0)
    rows = []
    for dtype in ("float64", "float32"):
        lanes = [
            lab.lane(w, method=method, ms=ms, amp=AMP, batch=size)
            for w in workers
            for engine, method in SWEEPS
            if w.dtype == dtype and w.engine == engine and method != "variable"
        ]
        rows += lab.compare(lanes)
    return rows


def key(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["engine"], row["method"], row["dtype"]


def curves(results: dict[str, Any]) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    """Return the rows that have an error, by engine, method and precision, coarse to fine."""
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in results["rows"]:
        points = found.setdefault(key(row), [])
        if row["error_ms"]:
            points.append(row)
    return found


def reach(points: Sequence[dict[str, Any]], target: float, of: str) -> tuple[float, str] | None:
    """Return `of` ("median_s" or "dt") at an error of `target`, by straight lines in logarithms.

    The mark is "~" where the line goes on beyond the finest setting, up to a factor of four, and "≤" where the
    coarsest was good enough.
    """
    best: tuple[float, str] | None = None
    for a, b in pairwise(points):
        ea, eb = a["error_ms"], b["error_ms"]
        inside, last = ea >= target >= eb, b is points[-1] and eb > target >= eb / 4
        if ea == eb or not (inside or (last and ea > eb)):
            continue
        w = math.log(target / ea) / math.log(eb / ea)
        value = math.exp((1 - w) * math.log(a[of]) + w * math.log(b[of]))
        if best is None or value < best[0]:
            best = value, "" if inside else "~"
    if best is None and points and points[0]["error_ms"] < target:
        return points[0][of], "≤"
    return best


def per_cell(results: dict[str, Any], which: tuple[str, str, str], target: float) -> tuple[float, str] | None:
    """Return the seconds per cell of a batch: time of a step times the steps needed, or one by one if faster."""
    row = next((r for r in results["batch"] if key(r) == which), None)
    points = curves(results).get(which, [])
    alone = reach(points, target, "median_s")
    step = reach(points, target, "dt") if row else None
    if row is None or step is None:
        return alone
    together = row["median_s"] / row["batch"] * (results["ms"] / row["ms"]) * 0.025 / step[0], step[1]
    return min(together, alone) if alone and which[0] in ("neuron", "arbor") else together


def _shown(found: tuple[float, str] | None, scale: float = 1.0) -> str:
    return "–" if found is None else found[1] + number(found[0] * scale)


def markdown(results: dict[str, Any]) -> str:
    """Return the table of times to accuracy and the sweep behind it."""
    lines, sweeps = [], []
    for which, points in curves(results).items():
        title = f"{name(dict(zip(('engine', 'method'), which, strict=False)))}, {which[2]}"
        alone = [_shown(reach(points, t, "median_s")) for t in TARGETS]
        many = [_shown(per_cell(results, which, t), 1e3) for t in TARGETS]
        lines.append((title, *alone, *many))
    for r in results["rows"]:
        setting = f"atol {r['atol']:g}" if "atol" in r else f"dt {r['dt']:g} ms"
        lost = "spikes lost" if r["error_ms"] is None else f"{r['error_ms']:.4f}"
        sweeps.append((f"{name(r)}, {r['dtype']}", setting, lost, span(r)))
    head = [f"{t} ms, s" for t in TARGETS] + [f"per cell of {BATCH}, {t} ms, ms" for t in TARGETS]
    apart = results["apart_ms"]
    return "\n".join(
        [
            f"CA1 n120, every branch a cylinder of 4 control volumes (624), HH with exact rates, {AMP} nA at the soma,",
            f"{results['ms']:g} ms, {len(results['spikes'])} spikes; the error is the largest over the spikes (upward",
            f"crossings of −20 mV by cubic interpolation) against {results['reference']}'s converged run;",
            f"a second converged engine differs by {number(apart)} ms. One core.",
            "Seconds for one cell; milliseconds per cell of a batch (a fixed step's cost times the steps needed);",
            "~ lies beyond the finest setting, ≤ means that the coarsest was good enough. NEURON and Arbor run the",
            "batch in one model or one by one, whichever is faster.",
            "",
            table(("engine", *head), lines),
            table(("engine", "setting", "error, ms", "time, s"), sweeps),
        ]
    )


def figure(results: dict[str, Any], plt: Any) -> Any:
    """Draw time against error."""
    fig, ax = plt.subplots(figsize=(6.5, 4.5))
    marks = {
        "staggered": "o",
        "second_order": "s",
        "variable": "^",
        "backward_euler": "v",
        "crank_nicolson": "D",
    }
    for (engine, method, dtype), points in curves(results).items():
        x, y = [p["error_ms"] for p in points], [p["median_s"] for p in points]
        style = "--" if dtype == "float32" else "-"
        label = f"{name({'engine': engine, 'method': method})}, {dtype}"
        ax.loglog(x, y, style, marker=marks[method], ms=4, color=COLOURS[engine], label=label)
    for target in TARGETS:
        ax.axvline(target, color="0.8", lw=0.8, zorder=0)
    ax.set(xlabel="largest spike-time error, ms", ylabel="time for 100 ms of one cell, s")
    ax.legend(fontsize=6)
    return fig
