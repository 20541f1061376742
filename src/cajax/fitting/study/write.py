"""The files of a study: JSON for the report, CSV and NPZ for everybody else, each written whole or not at all."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...base.disk import write_json, write_whole
from ..recordings import Sweep
from ..terms import Term
from .choice import spikes
from .contents import (
    CURVE_CSV,
    FEATURES_CSV,
    PARAMETERS_CSV,
    SETUP,
    Curve,
    FeatureRow,
    ParameterRow,
    Setup,
    SweepRow,
)
from .plan import Plan

CURE = "make room and go on with the run"
MOST_NAMES = 20
"""Residuals of a term that are named one by one."""


def write_setup(plan: Plan, folder: Path) -> None:
    """Write what was read and chosen."""
    report, choice = plan.recording.report, plan.choice
    use = dict.fromkeys(choice.fitted, "fitted") | dict.fromkeys(choice.held_out, "held out")
    setup: Setup = {
        "recording": Path(plan.settings.recording).name, "exact": list(report.exact),
        "sweeps": [_sweep(k, s, use.get(k, "")) for k, s in enumerate(plan.recording)],
        "approximated": list(report.approximated), "refused": list(report.refused),
        "morphology": Path(plan.settings.morphology).name, "shape": repr(plan.morphology),
        "cvs": len(plan.model.area), "model": plan.settings.model, "source": plan.recipe.source,
        "notes": list(plan.notes), "why": choice.why, "window": list(plan.window) if plan.window else None,
        "terms": [_term(term) for term in plan.objective.terms], "at": plan.settings.at,
    }  # fmt: skip
    write_json(folder / SETUP, setup)


def _term(term: Term) -> str:
    """Return in words what a term compares."""
    names = term.names()
    what = ", ".join(names) if len(names) <= MOST_NAMES else f"{len(names)} residuals a sweep"
    return f"{type(term).__name__} (weight {term.weight:g}): {what}"


def _sweep(number: int, sweep: Sweep, use: str) -> SweepRow:
    on, off = (None if np.isnan(x) else float(x) for x in (sweep.on, sweep.off))
    return {
        "number": number, "name": sweep.name, "kind": sweep.kind, "mode": sweep.mode, "on": on, "off": off,
        "amplitude": sweep.amplitude, "holding": sweep.holding, "duration": sweep.duration, "dt": sweep.dt,
        "least": float(sweep.v.min()), "most": float(sweep.v.max()),
        "spikes": spikes(sweep) if sweep.mode == "current" else 0, "use": use,
    }  # fmt: skip


def write_features(rows: Sequence[FeatureRow], folder: Path) -> None:
    """Write the table of features."""
    head = (
        "sweep",
        "use",
        "term",
        "feature",
        "unit",
        "mean",
        "sd",
        "model",
        "z",
        "accepted_least",
        "accepted_most",
    )
    keys = ("sweep", "use", "term", "name", "unit", "mean", "sd", "value", "z", "least", "most")
    _write(folder / FEATURES_CSV, head, [[row[key] for key in keys] for row in rows])


def write_parameters(rows: Sequence[ParameterRow], folder: Path) -> None:
    """Write the table of parameters."""
    head = ("parameter", "unit", "value", "lowest", "highest", "logarithmic", "laplace_5", "laplace_95")
    body = [
        [r["name"], r["unit"], r["value"], r["lo"], r["hi"], r["logarithmic"],
         *(r["laplace"] or (None, None)), *(r["accepted"] or (None, None))]
        for r in rows
    ]  # fmt: skip
    _write(folder / PARAMETERS_CSV, (*head, "accepted_least", "accepted_most"), body)


def write_curve(curve: Curve, folder: Path) -> None:
    """Write the f–I curve: the data first, then the model."""
    data = [["data", a, rate, None, None] for a, rate in curve["data"]]
    columns = zip(curve["amplitudes"], curve["best"], curve["least"], curve["most"], strict=True)
    head = ("of", "amplitude_nA", "spikes_per_s", "accepted_least", "accepted_most")
    _write(folder / CURVE_CSV, head, [*data, *(["model", *row] for row in columns)])


def _write(path: Path, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([["" if x is None else x for x in row] for row in rows])
    write_whole(path, out.getvalue().encode(), CURE)


def stacked(parts: Mapping[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
    """Return lists of arrays [sample] of different lengths as arrays [row, sample], filled up with NaN."""
    longest = max(len(x) for rows in parts.values() for x in rows)

    def filled(x: np.ndarray) -> np.ndarray:
        return np.concatenate([x, np.full(longest - len(x), np.nan)]).astype(np.float32)

    return {name: np.stack([filled(x) for x in rows]) for name, rows in parts.items()}
