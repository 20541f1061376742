"""From nothing to the first result: start of the process, imports, reading and building, compiling."""

import statistics
import time
from typing import Any

from lab import CABLE, DTYPES, SWC, Lab
from tables import number, table

TITLE = "From nothing to the first result"
SECONDS = 240
FILE = "morph_ca1_n120.swc"
PARTS = (
    "import_s",
    "jax_import_s",
    "build_s",
    "compile_s",
    "first_result_s",
    "gradient_s",
    "first_gradient_s",
)


def run(lab: Lab) -> None:
    """Start every engine afresh in every round."""
    # An absolute path, for engines that open it from elsewhere.
    known = {"swc": str((SWC / FILE).resolve()), "ncv": 1} if (SWC / FILE).exists() else lab.ca1(FILE)
    if lab.quick:
        known = CABLE
    samples: dict[str, list[dict[str, float]]] = {engine: [] for engine in lab.engines}
    for i in range(lab.rounds):
        for engine in lab.engines if i % 2 == 0 else reversed(lab.engines):
            lab.say(f"round {i + 1} of {lab.rounds}: {engine}")
            with lab.noting():
                samples[engine].append(sample(lab, engine, known))
        lab.save({"samples": samples})
    lab.save({"samples": samples}, done=True)


def sample(lab: Lab, engine: str, model: dict[str, Any]) -> dict[str, float]:
    """Return the times of one life of an engine, in seconds."""
    spec: dict[str, Any] = {"dt": 0.025, "ms": 1.0 if lab.quick else 20.0}
    worker = lab.start(engine, DTYPES[0])
    try:
        facts = worker.facts | worker.ask("build", **model)
        facts["compile_s"] = worker.ask("prepare", **spec)["first_s"] - worker.ask("run", **spec)["seconds"]
        facts["first_result_s"] = time.perf_counter() - worker.start
        if engine in ("cajax", "jaxley"):
            spec["what"] = "gradient"
            first = worker.ask("prepare", **spec)
            facts["first_gradient_s"] = time.perf_counter() - worker.start
            facts["gradient_s"] = first["first_s"] - worker.ask("run", **spec)["seconds"]
    finally:
        worker.close()
    return {k: facts[k] for k in (*PARTS, "n", "peak_mb") if k in facts}


def medians(results: dict[str, Any], engine: str, part: str) -> list[float]:
    """Return the samples of one part, or none."""
    return [s[part] for s in results["samples"][engine] if part in s]


def markdown(results: dict[str, Any]) -> str:
    """Return one row per engine."""
    rows = []
    for engine in results["samples"]:
        cells = []
        for part in PARTS:
            times = medians(results, engine, part)
            shown = (
                f"{number(statistics.median(times))} ({number(min(times))}–{number(max(times))})"
                if times
                else "–"
            )
            cells.append(shown)
        rows.append((engine, *cells))
    head = ("engine", "import", "of which JAX", "read and build", "compile", "first result",
            "compile the gradient", "first gradient")  # fmt: skip
    return "\n".join(
        [
            f"A fresh process each time reads {FILE} (one control volume per branch), inserts HH and runs 20 ms;",
            "seconds, median (least–largest), float64. *First result* counts from the start of the process;",
            "*first gradient* comes after the forward run in the same process.",
            "",
            table(head, rows),
        ]
    )


def figure(results: dict[str, Any], plt: Any) -> Any:
    """Draw what the first result is made of."""
    fig, ax = plt.subplots(figsize=(6, 2.2))
    engines = list(results["samples"])
    left = [0.0] * len(engines)
    for part in ("import_s", "build_s", "compile_s", "gradient_s"):
        width = [statistics.median(medians(results, e, part) or [0.0]) for e in engines]
        ax.barh(engines, width, left=left, label=part[:-2].replace("gradient", "compile gradient"))
        left = [a + b for a, b in zip(left, width, strict=True)]
    ax.set(xlabel="s")
    ax.invert_yaxis()
    ax.legend(fontsize=7)
    return fig
