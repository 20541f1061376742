"""Voltage and spike times against NEURON 9.0.2 (`traces/`, made by `neuron_traces.py`).

`python tests/parity/test_traces.py` prints the differences as a table.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cajax as cx
from cajax.mech import HH, Leak

HERE = Path(__file__).resolve().parent
CA1 = HERE.parents[1] / ".." / "shared" / "data" / "morphologies" / "ca1"
CASES = ("cable", "cable20C", "tree1", "tree4", "mixed", "passive", "unequal", "n120x1", "n120x4")
MEAN_MV = 0.01  # allowed mean |ΔV| at every recorded site


@cache
def load(name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return (meta, arrays) of a stored case; skip where its morphology file is not at hand."""
    with np.load(HERE / "traces" / f"{name}.npz", allow_pickle=False) as file:
        arrays = dict(file)
    meta = json.loads(str(arrays.pop("meta")))
    if meta["morphology"] and not (CA1 / meta["morphology"]).exists():
        pytest.skip(f"{meta['morphology']} is not here (../shared/data/morphologies/ca1)")
    return meta, arrays


@cache
def build(name: str) -> tuple[Any, tuple[tuple[int, float], ...], tuple[int, float]]:
    """Return (model, sites, clamp site) of a case; a site is (branch, x) in Cajax's numbering."""
    meta, arrays = load(name)
    if meta["morphology"]:
        morph = cx.read_morphology(CA1 / meta["morphology"])
    else:
        fields = {k: arrays[k] for k in ("xyz", "radius", "offsets", "parent", "attach")}
        morph = cx.Morphology(**fields, tags=tuple(str(t) for t in arrays["tags"]))
    cell = cx.Cell(morph, cm=meta["cm"], ra=meta["ra"], v0=meta["v_init"], temperature=meta["celsius"])
    if meta["mechanism"] == "pas":
        cell = cell.paint("all", leak=Leak(g=1e-4, e=meta["v_init"]))
    else:
        cell = cell.paint("all", hh=HH())
    if meta["apical"]:
        cell = cell.paint("apical", cm=meta["apical"]["cm"], ra=meta["apical"]["Ra"])
    model = cell.discretize(cx.PerBranch(meta["nseg"]))
    clamp = (int(meta["branch"]), float(meta["x"]))
    if not meta["morphology"]:
        sites = zip(arrays["site_branch"].tolist(), arrays["site_x"].tolist(), strict=True)
        return model, tuple(sites), clamp
    # Branch numbers need not be NEURON's section numbers: find each site by where it is.
    gap = np.linalg.norm(model.cvs.xyz[None] - arrays["site_xyz"][:, None], axis=-1)
    assert gap.min(axis=1).max() < 0.1, f"{name}: no CV within 0.1 µm of a recorded site: {gap.min(axis=1)}"
    near = gap.argmin(axis=1)
    sites = tuple((int(model.cvs.branch[i]), float(model.cvs.x[i])) for i in near)
    return model, sites, sites[0]  # these files put the clamp at the first site


def voltages(name: str, method: Any, t1: float, dt: float, only_first: bool = False) -> np.ndarray:
    """Return the voltages [time, site] of a case run by Cajax, in mV."""
    meta, _ = load(name)
    model, sites, clamp = build(name)
    inputs = [cx.IClamp(cx.at(*clamp), delay=meta["delay"], dur=meta["dur"], amp=meta["amp"])]
    record = {f"site{i}": cx.at(*site) for i, site in enumerate(sites[:1] if only_first else sites)}
    solution = cx.simulate(model, t1=t1, dt=dt, inputs=inputs, record=record, method=method)
    return np.stack([np.asarray(solution[key]).reshape(-1) for key in record], axis=1)


def crossings(v: np.ndarray, dt: float) -> np.ndarray:
    """Return the times of upward crossings of 0 mV, by inverse cubic interpolation through four samples."""
    times = []
    for i in np.flatnonzero((v[:-1] < 0) & (v[1:] >= 0)):
        t, w = dt * np.arange(i - 1, i + 3), v[i - 1 : i + 3]
        weights = [np.prod([w[m] / (w[m] - w[k]) for m in range(4) if m != k]) for k in range(4)]
        times.append(t @ np.array(weights))
    return np.array(times)


def spike_errors(name: str, method: Any, t1: float, dts: tuple[float, ...]) -> list[float]:
    """Return, per time step, the largest error in ms of the spike times before `t1` at the first site."""
    reference = np.array([t for t in load(name)[0]["spikes"] if t < t1 - 1.0])
    errors = []
    for dt in dts:
        times = crossings(voltages(name, method, t1, dt, only_first=True)[:, 0], dt)
        assert len(times) >= len(reference), f"{name}, dt {dt}: {len(times)} of {len(reference)} spikes"
        errors.append(float(np.abs(times[: len(reference)] - reference).max()))
    return errors


@pytest.mark.parametrize("name", CASES)
def test_same_tree(name: str) -> None:
    """As many control volumes as NEURON has segments, the same area in each, at the same place."""
    _, arrays = load(name)
    cvs = build(name)[0].cvs
    assert cvs.area.shape == arrays["segment_area"].shape
    gap = np.linalg.norm(cvs.xyz[None] - arrays["segment_xyz"][:, None], axis=-1)
    assert gap.min(axis=1).max() < 0.1
    np.testing.assert_allclose(cvs.area[gap.argmin(axis=1)], arrays["segment_area"], rtol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_voltage(name: str) -> None:
    """Backward Euler gives NEURON's voltage at every site and every step."""
    meta, arrays = load(name)
    error = np.abs(voltages(name, cx.BackwardEuler(), meta["stop"], meta["dt"]) - arrays["v"])
    print(f"{name}: mean |ΔV| per site {error.mean(0)} mV, largest {error.max():.2e} mV")
    assert np.all(error.mean(axis=0) <= MEAN_MV), list(
        zip(meta["site_names"], error.mean(axis=0), strict=True)
    )


@pytest.mark.parametrize(("method", "order"), [("BackwardEuler", 1), ("Staggered", 2)])
def test_spike_times_converge_to_cvode(method: str, order: int) -> None:
    """Spike-time errors against CVODE (atol 1e-9) fall with the order of the method."""
    errors = spike_errors("cable", getattr(cx, method)(), 27.0, (0.05, 0.025))
    print(f"{method}: spike-time errors {errors} ms")
    rates = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert np.all(np.abs(rates - order) < 0.25), f"errors {errors}, observed orders {rates}"


def test_staggered_spike_times_on_ca1() -> None:
    """At dt 0.025 ms eight spikes of a CA1 cell lie within 0.05 ms of CVODE's (NEURON's own step: 0.6)."""
    (error,) = spike_errors("n120x4", cx.Staggered(), 97.0, (0.025,))
    print(f"n120x4: staggered, dt 0.025: largest spike-time error {error:.4f} ms")
    assert error < 0.05


def main() -> None:
    """Print the differences of every case, and the spike-time errors of both methods."""
    print(f"{'case':10s} {'CVs':>5s} {'mean |dV| worst site':>21s} {'max |dV|':>10s}   (mV)")
    cases = CASES if CA1.is_dir() else tuple(name for name in CASES if not name.startswith("n120"))
    for name in cases:
        meta, arrays = load(name)
        error = np.abs(voltages(name, cx.BackwardEuler(), meta["stop"], meta["dt"]) - arrays["v"])
        print(f"{name:10s} {arrays['segment_area'].size:5d} {error.mean(0).max():21.2e} {error.max():10.2e}")
    dts = (0.1, 0.05, 0.025, 0.0125, 0.00625)
    print(f"\nlargest spike-time error (ms) against CVODE, dt = {dts}")
    for name, t1 in (("cable", 60.0), ("n120x1", 100.0), ("n120x4", 100.0)):
        if name not in cases:
            continue
        for method in ("BackwardEuler", "Staggered"):
            errors = spike_errors(name, getattr(cx, method)(), t1, dts)
            print(f"{name:10s} {method:14s} " + " ".join(f"{e:9.5f}" for e in errors))


if __name__ == "__main__":
    import jax

    jax.config.update("jax_enable_x64", True)
    main()
