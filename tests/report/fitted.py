"""A run folder of `cajax fit` made by hand: three sweeps, fourteen models, and names that are no good HTML."""

from pathlib import Path

import numpy as np

from cajax.base.disk import write_arrays, write_json
from cajax.train import record

NASTY = '<b>cell</b> & "co".npz'
NAMES = ("soma.na.g", "soma.k.g", "all.leak.g", "all.cm", "dendrites.ih.g.apical", "axon.ca.gamma", "all.ra")
UNITS = ("S/cm2", "S/cm2", "S/cm2", "uF/cm2", "S/cm2", "1", "ohm*cm")
LO = np.array([0.0, 0.0, 1e-6, 0.3, 0.0, 0.0005, 10.0])
HI = np.array([1.0, 0.4, 1e-3, 10.0, 0.01, 0.05, 1000.0])
T = 50.0 + np.arange(0.0, 400.0, 0.1)


def voltage(spikes: int, shift: float = 0.0) -> np.ndarray:
    """A step of 200 ms with so many spikes."""
    v = np.where((T >= 100.0) & (T < 300.0), -60.0, -75.0) + shift
    for k in range(spikes):
        since = T - (110.0 + shift + 180.0 * k / max(spikes, 1))
        v = np.where((since >= 0.0) & (since < 3.0), 30.0 - 30.0 * since, v)
    return v


def begin(folder: Path) -> Path:
    """What a study leaves when it begins."""
    folder.mkdir(parents=True)
    figure = {
        "name": "score",
        "unit": "",
        "more_is_better": False,
        "chance": None,
        "sentence": "{name} {value}",
    }
    settings = {"morphology": "cell.swc", "recording": NASTY, "model": "hay", "minutes": 20.0}
    record(
        folder, seed=3, kind="study", task="recording", settings=settings, data_hash="sha256:0",
        score={"headline": figure, "loss": figure}, command=["cajax", "fit", "cell.swc", NASTY],
    )  # fmt: skip
    sweeps = [
        {"number": k, "name": f"<i>step</i> {k}", "kind": "step", "mode": "current", "on": 100.0, "off": 300.0,
         "amplitude": 0.1 * k - 0.1, "holding": -0.02, "duration": 600.0, "dt": 0.1, "least": -80.0, "most": 30.0,
         "spikes": 2 * k, "use": ("fitted", "", "fitted", "held out")[k]}
        for k in range(4)
    ]  # fmt: skip
    write_json(
        folder / "setup.json",
        {"recording": NASTY, "sweeps": sweeps, "exact": ["4 sweeps"], "approximated": ["<u>time</u> assumed"],
         "refused": [], "morphology": "cell.swc", "shape": "Morphology(3 branches)", "cvs": 12, "model": "hay",
         "source": "Hay et al. (2011)", "notes": ["no axon"], "why": "as you say", "window": [50.0, 450.0],
         "terms": ["Features()", "Subthreshold()"], "at": "soma"},
    )  # fmt: skip
    return folder


def search(folder: Path, candidates: int = 300) -> None:
    """What the search leaves."""
    rng = np.random.default_rng(0)
    (folder / "search").mkdir()
    seconds = np.linspace(0.0, 600.0, candidates)
    scores = 30.0 * np.exp(-seconds / 150.0) * rng.uniform(1.0, 4.0, candidates) + 0.3
    marks = np.column_stack([100.0 * np.arange(1, candidates + 1), seconds])
    write_arrays(folder / "search" / "search.npz", {"scores": scores, "marks": marks})
    names = ("Passive", "Fading", "Evolve", "Polish", "Passive", "Fading", "Evolve")
    starts = (0.0, 20.0, 200.0, 400.0, 420.0, 440.0, 520.0)
    write_json(
        folder / "stages.json",
        [
            {"name": n, "candidates": k, "seconds": s}
            for k, (n, s) in enumerate(zip(names, starts, strict=True))
        ],
    )


def finish(folder: Path) -> None:
    """What a study leaves at its end."""
    rng = np.random.default_rng(1)
    u = np.clip(rng.uniform(0.2, 0.8, 7) + 0.1 * rng.standard_normal((14, 7)), 0.0, 1.0)
    u[:, 1] = np.clip(0.2 + 0.7 * u[:, 0] + 0.01 * rng.standard_normal(14), 0.0, 1.0)
    _arrays(folder, u, rng)
    write_json(folder / "results.json", results(u))
    tests = {"fitted sweeps": {"score": 0.42, "trials": 2}, "held out sweeps": {"score": 0.61, "trials": 1}}
    write_json(
        folder / "metrics.json",
        {"task": "recording", "title": f"Fit of {NASTY} by hay", "parameters": 7, "steps": 30000, "seconds": 600.0,
         "tests": tests},
    )  # fmt: skip


def _arrays(folder: Path, u: np.ndarray, rng: np.random.Generator) -> None:
    data = np.stack([voltage(n) for n in (0, 4, 6)]) + 0.3 * rng.standard_normal((3, len(T)))
    best = np.stack([voltage(n, 0.8) for n in (0, 4, 6)])
    best[1, 3000:] = np.nan  # a run that fails on its way
    others = np.stack([[voltage(n, float(s)) for n in (0, 4, 6)] for s in rng.normal(0.0, 2.0, 5)])
    current = np.stack([np.where((T >= 100.0) & (T < 300.0), a, -0.02) for a in (-0.1, 0.1, 0.2)])
    write_arrays(
        folder / "traces.npz",
        {"t_ms": T, "sweep": np.array([0, 2, 3]), "fitted": np.array([True, True, False]), "recorded_mV": data,
         "best_mV": best, "others_mV": others, "current_nA": current},
    )  # fmt: skip
    names = np.array(
        ["na", "k", "leak", "ih", "sk", "cahva", "calva", "im", "nap", "other compartments", "capacitive"]
    )
    v = voltage(6)
    i = np.stack([np.sin(0.05 * k * T) * np.where(v > -50.0, 1.0, 0.05) for k in range(1, 12)])
    peaks = np.flatnonzero((v[1:] > 0.0) & (v[:-1] <= 0.0)) + 1
    write_arrays(
        folder / "currents.npz",
        {"t_ms": T, "v_mV": v, "names": names, "i_nA": i, "injected_nA": current[2], "peaks": peaks,
         "stimulus_ms": np.array([100.0, 300.0])},
    )  # fmt: skip
    logarithmic = (LO > 0.0) & (HI >= 10.0 * LO)
    write_arrays(
        folder / "population.npz",
        {"u": u, "values": LO + u * (HI - LO), "accepted": np.arange(14) < 12, "names": np.array(NAMES),
         "units": np.array(UNITS), "lo": LO, "hi": HI, "logarithmic": logarithmic},
    )  # fmt: skip
    q, _ = np.linalg.qr(rng.standard_normal((7, 7)))
    write_arrays(
        folder / "spectrum.npz",
        {"names": np.array(NAMES), "eigenvalues": 10.0 ** np.linspace(5.0, -2.0, 7), "directions": q,
         "correlation": np.eye(7), "deviations": 10.0 ** np.linspace(-3.0, -0.6, 7),
         "said": np.array(["0.9 <i>a</i> + 0.3 b"] * 7)},
    )  # fmt: skip


def results(u: np.ndarray) -> dict[str, object]:
    """The figures of a finished study."""
    features = [
        {"sweep": sweep, "use": use, "term": "Features", "order": k, "name": name, "unit": unit, "mean": 10.0,
         "sd": 1.0, "value": None if z > 100.0 else 10.0 + z, "z": z, "least": 9.0, "most": 11.0}
        for sweep, use, zs in ((0, "fitted", (0.1, -0.4)), (2, "fitted", (2.0, 4.0)), (3, "held out", (-7.5, 250.0)))
        for k, (name, unit, z) in enumerate(zip(("Spikecount", "AP_amplitude"), ("1", "mV"), zs, strict=True))
    ]  # fmt: skip
    parameters = [
        {"name": name, "unit": UNITS[k], "lo": LO[k], "hi": HI[k],
         "logarithmic": bool(LO[k] > 0.0 and HI[k] >= 10 * LO[k]),
         "value": float(LO[k] + u[0, k] * (HI[k] - LO[k])), "u": float(u[0, k]),
         "laplace": [float(LO[k]), float(LO[k] + 0.6 * (HI[k] - LO[k]))] if k else None,
         "accepted": [float(LO[k] + 0.1 * (HI[k] - LO[k])), float(LO[k] + 0.5 * (HI[k] - LO[k]))]}
        for k, name in enumerate(NAMES)
    ]  # fmt: skip
    curve = {
        "data": [[-0.1, 0.0], [0.1, 20.0], [0.2, 30.0]], "fitted": [True, True, False],
        "amplitudes": [0.0, 0.1, 0.2, 0.3], "best": [0.0, 18.0, 29.0, 40.0], "least": [0.0, 10.0, 25.0, 35.0],
        "most": [5.0, 22.0, 33.0, 45.0],
    }  # fmt: skip
    return {
        "scores": {"fitted": 0.42, "held out": 0.61}, "within": {"fitted": [3, 4], "held out": [0, 2]},
        "features": features, "parameters": parameters, "curve": curve, "currents_sweep": 2,
        "currents": [{"name": "na", "spike": -1.2, "between": -0.01}, {"name": "k", "spike": 0.9, "between": None}],
        "population": {"sd": 5.0, "count": 12, "shown": 5},
        "pairs": [{"one": "soma.na.g", "other": "soma.k.g", "r": 0.99, "lo": 0.95, "hi": 0.995}], "missing": [],
    }  # fmt: skip
