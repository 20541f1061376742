"""A batch of 64 on one core and on two: speed, and whether the numbers stay the same."""

from typing import Any

from lab import CABLE, ENGINES, Lab, agreement
from tables import bars, name, number, span, table

TITLE = "One core and two"
SECONDS = 240
METHODS = {
    "cajax": {"forward": "backward_euler", "gradient": "backward_euler"},
    "jaxley": {"forward": "backward_euler", "gradient": "backward_euler/checkpointed"},
    "neuron": {"forward": "backward_euler"},
    "arbor": {"forward": "backward_euler"},
}


def run(lab: Lab) -> None:
    """Time one core, then two, in separate processes that take turns."""
    model = CABLE if lab.quick else lab.ca1("morph_ca1_n120.swc") | {"ncv": 1}
    results: dict[str, Any] = {"rows": [], "agreement": []}
    if len(lab.options.cores) < 2:
        lab.note("--cores names one core only: both columns ran on it")
    spec = {"batch": 4 if lab.quick else 64, "ms": 1.0 if lab.quick else 20.0}
    for dtype in ("float64", "float32"):
        engines = ENGINES if dtype == "float64" else ("cajax", "jaxley")
        with (
            lab.workers(model, [dtype], engines) as one,
            lab.workers(model, [dtype], engines, cores=2) as two,
        ):
            for what in ("forward", "gradient"):
                chosen = [w for w in (*one, *two) if what in METHODS[w.engine]]
                lanes = [lab.lane(w, what=what, method=METHODS[w.engine][what], **spec) for w in chosen]
                results["rows"] += lab.compare(lanes)
                lab.save(results)
    results["bits"] = bits(lab, model, spec)
    lab.save(results, done=True)


def bits(lab: Lab, model: dict[str, Any], spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Compare the gradient of Cajax: whole batch, two shares on one core, two shares on two cores (twice)."""
    rows = []
    for dtype in ("float64", "float32"):
        ways = {"whole, one core": (1, 1), "halves, one core": (1, 2), "halves, two cores": (2, 2)}
        ways["halves, two cores, again"] = (2, 2)
        lanes = []
        for cores, devices in ways.values():
            with lab.workers(model, [dtype], ["cajax"], cores, devices) as workers:
                lanes += [lab.lane(w, "values", what="gradient", **spec) for w in workers]
        if None in lanes or len(lanes) != len(ways):
            continue
        for way, lane, row in zip(ways, lanes, agreement(lanes), strict=True):
            rows.append(
                {"way": way, "digest": lane.first["digest"], "relative": row["relative"], "dtype": dtype}
            )
    return rows


def markdown(results: dict[str, Any]) -> str:
    """Return times, speed-ups and digests."""
    rows = []
    for r in results["rows"]:
        same = [
            x
            for x in results["rows"]
            if (x["engine"], x["what"], x["dtype"]) == (r["engine"], r["what"], r["dtype"])
        ]
        alone = next((x["median_s"] for x in same if x["cores"] == 1), None)
        gain = number(alone / r["median_s"]) if alone and r["cores"] > 1 else ""
        rows.append((r["what"], r["dtype"], name(r), r["cores"], span(r), gain))
    found = [
        (r["dtype"], r["way"], f"`{r['digest']}`", f"{r['relative']:.1e}") for r in results.get("bits", [])
    ]
    return "\n".join(
        [
            "CA1 n120, one control volume per branch, batch 64, 20 ms. Two cores are two JAX devices with half the",
            "batch each (Cajax by `split_mean`, Jaxley by the same `shard_map`), two threads elsewhere. Forward on two",
            "devices returns the loss.",
            "",
            table(("what", "precision", "engine, method", "cores", "s", "faster by"), rows),
            "Gradients of Cajax: digests of all bits, and the largest difference from the first row of that precision",
            "relative to the largest entry. Shares are summed in another order than a whole batch.",
            "",
            table(("precision", "way", "digest", "difference"), found),
        ]
    )


def figure(results: dict[str, Any], plt: Any) -> Any:
    """Draw one panel per direction."""
    fig, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    for ax, what in zip(axes, ("forward", "gradient"), strict=True):
        rows = [r for r in results["rows"] if r["what"] == what]
        bars(
            ax,
            rows,
            1.0,
            [f"{name(r)}, {r['dtype'][5:]}, {r['cores']} core{'s' * (r['cores'] > 1)}" for r in rows],
        )
        ax.set(title=what, xlabel="s per batch")
    return fig
