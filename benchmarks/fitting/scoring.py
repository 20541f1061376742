"""The score of a problem: one function for the rivals, for the judge and for our side; NumPy and eFEL only.

A trace is compared either by eFEL's features, z = (x − mean)/sd, x the mean over the spikes, or by the mean and
standard deviation of the voltage in windows of samples. A feature that the model's trace does not have costs `worst`,
and none costs more (250, as in BluePyOpt). Zero is perfect.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np


def load(path: str | Path) -> dict:
    """Read a problem from its file."""
    return json.loads(Path(path).read_text())


def fitted(problem: dict) -> list[dict]:
    """Return the sweeps that a search may see."""
    return [s for s in problem["sweeps"] if s["fit"]]


def unit_bounds(problem: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds as searches use them: the decimal logarithm where a parameter's scale is "log"."""
    ends = np.array([[p["lower"], p["upper"]] for p in problem["parameters"]])
    logs = np.array([p["scale"] == "log" for p in problem["parameters"]])
    ends[logs] = np.log10(ends[logs])
    return ends[:, 0], ends[:, 1]


def named(problem: dict, x) -> dict[str, float]:
    """Return the parameters of one search point in their own units, by name."""
    return {
        p["name"]: float(10.0**value if p["scale"] == "log" else value)
        for p, value in zip(problem["parameters"], x, strict=True)
    }


def efel_values(v: np.ndarray, dt: float, on: float, off: float, names: list[str]) -> dict[str, float | None]:
    """Return eFEL's features of a trace at its default settings, the mean over spikes; None where there is none."""
    import efel

    trace: Any = {"T": np.arange(len(v)) * dt, "V": v, "stim_start": [on], "stim_end": [off]}
    [found] = efel.get_feature_values([trace], names, None, True, False)
    return {name: None if x is None or len(x) == 0 else float(np.mean(x)) for name, x in found.items()}


def window_values(v: np.ndarray, windows: list[list[int]]) -> list[float]:
    """Return the mean and the standard deviation of the voltage in each window of samples."""
    return [float(f(v[a:b])) for a, b in windows for f in (np.mean, np.std)]


def errors(sweep: dict, v: np.ndarray, names: str = "features") -> dict[str, float]:
    """Return the errors of one trace by feature: |z|, or |x − observed|/scale of the windows."""
    finite = np.isfinite(v).all() and np.abs(v).max() < 1000.0
    if "windows" in sweep:
        x = window_values(v, sweep["windows"]) if finite else [np.inf] * len(sweep["observed"])
        each = np.abs(np.subtract(x, sweep["observed"])) / sweep["scale"]
        return {f"window {k}": min(float(e), sweep["worst"]) for k, e in enumerate(each)}
    wanted = sweep[names]
    found = efel_values(v, sweep["sample_dt"], sweep["on"], sweep["off"], list(wanted)) if finite else {}
    return {name: _z(found.get(name), target, sweep["worst"]) for name, target in wanted.items()}


def _z(x: float | None, target: dict, worst: float) -> float:
    return worst if x is None or not np.isfinite(x) else min(abs(x - target["mean"]) / target["sd"], worst)


def score(problem: dict, each: list[dict[str, float]]) -> float:
    """Return the score of the errors of several sweeps: their mean, or their sum where the problem says so."""
    values = [e for sweep in each for e in sweep.values()]
    return float(np.sum(values) if problem["reduce"] == "sum" else np.mean(values))
