"""Write the problems of the fitting benchmark, one JSON file each: cell, parameters, bounds, sweeps, targets, score.

    python problems.py FOLDER --data SHARED_DATA --bluepyopt UNPACKED_SDIST

Whoever fits or judges reads these files (`scoring.py`), so that all have the same problem. NumPy, eFEL and, for the
recordings, igor2; NEURON for the target of the synthetic cell.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from scoring import efel_values, window_values

JUNCTION = 14.0
"""Liquid-junction potential (mV), subtracted from all recordings; neither data set has been corrected for it."""
MARGIN = 100.0
"""Milliseconds kept before and after a step."""
WORST = 250.0
"""Cost of a missing feature, and the most that one can cost: `max_score` of BluePyOpt."""

FLOORS = {
    "Spikecount": (0.05, 0.5),
    "time_to_first_spike": (0.0, 5.0),
    "time_to_last_spike": (0.02, 5.0),
    "inv_first_ISI": (0.1, 0.5),
    "ISI_CV": (0.0, 0.1),
    "adaptation_index2": (0.0, 0.01),
    "AP_amplitude": (0.0, 2.0),
    "AP_begin_voltage": (0.0, 2.0),
    "AP_duration_half_width": (0.0, 0.1),
    "min_AHP_values": (0.0, 2.0),
    "voltage_base": (0.0, 2.0),
    "voltage_after_stim": (0.0, 2.0),
}
"""SD of each fitted feature where only one repeat exists: the larger of a share of the mean and a least value.

The least values are the Allen Institute's for its own fits (AllenInstitute/biophys_optimize, the example of minimum
feature standard deviations; Gouwens et al. 2018): rate 0.5 spikes/s, latency 5 ms, ISI CV 0.1, peak, trough, threshold
and baseline 2 mV, width 0.1 ms. Theirs for adaptation, 0.001, is ten times smaller than here: it would outweigh all.
"""
HELD = {
    "mean_frequency": (0.05, 0.5),
    "inv_last_ISI": (0.1, 0.5),
    "AP1_amp": (0.0, 2.0),
    "APlast_amp": (0.0, 2.0),
    "AHP_time_from_peak": (0.1, 1.0),
    "AP_peak_upstroke": (0.1, 5.0),
    "AP_peak_downstroke": (0.1, 5.0),
    "steady_state_voltage_stimend": (0.0, 2.0),
}
"""Features that nobody fits, judged as well: the Allen cells have no second sweep to hold out."""


def parameter(name, lower, upper, scale, *sets, truth=None) -> dict:
    out = {"name": name, "lower": lower, "upper": upper, "scale": scale, "sets": [s.split(" ") for s in sets]}
    return out if truth is None else {**out, "truth": truth}


IONS = [["soma", "ena", 50.0], ["soma", "ek", -85.0], ["axon", "ena", 50.0], ["axon", "ek", -85.0]]
APICAL_IH = {"scale": 8e-5, "offset": -0.8696, "factor": 2.087, "length": 1.0 / 0.0031}
"""gIhbar = scale (offset + factor exp(d/length)), d µm in a straight line from the soma."""
MECHANISMS = {
    "soma": ["pas", "NaTs2_t", "SKv3_1", "SK_E2", "Ca_HVA", "Ca_LVAst", "CaDynamics_E2"],
    "axon": ["pas", "NaTa_t", "K_Pst", "K_Tst", "SK_E2", "SKv3_1", "Ca_HVA", "Ca_LVAst", "CaDynamics_E2"],
    "apical": ["pas", "NaTs2_t", "SKv3_1", "Im", "Ih"],
    "basal": ["pas", "Ih"],
}


def conductances(bounds: dict[str, list[tuple]]) -> list[dict]:
    """Return parameters of single mechanisms from rows (mechanism, variable, lower, upper, scale[, truth])."""
    return [
        parameter(
            f"{region}.{mechanism}.{what if what in ('gamma', 'decay') else 'g'}",
            lower,
            upper,
            scale,
            f"{region} {what}_{mechanism}",
            truth=truth[0] if truth else None,
        )
        for region, rows in bounds.items()
        for mechanism, what, lower, upper, scale, *truth in rows
    ]


LAYER5: dict[str, list[tuple]] = {
    "apical": [
        ("NaTs2_t", "gNaTs2_tbar", 0.0, 0.04, "linear", 0.026145),
        ("SKv3_1", "gSKv3_1bar", 0.0, 0.04, "linear", 0.004226),
        ("Im", "gImbar", 0.0, 0.001, "linear", 0.000143),
    ],
    "soma": [
        ("NaTs2_t", "gNaTs2_tbar", 0.0, 1.0, "linear", 0.983955),
        ("SKv3_1", "gSKv3_1bar", 0.25, 1.0, "linear", 0.303472),
        ("SK_E2", "gSK_E2bar", 0.0, 0.1, "linear", 0.008407),
        ("CaDynamics_E2", "gamma", 0.0005, 0.01, "linear", 0.000609),
        ("CaDynamics_E2", "decay", 20.0, 1000.0, "linear", 210.485),
        ("Ca_HVA", "gCa_HVAbar", 0.0, 0.001, "linear", 0.000994),
        ("Ca_LVAst", "gCa_LVAstbar", 0.0, 0.01, "linear", 0.000333),
    ],
    "axon": [
        ("NaTa_t", "gNaTa_tbar", 0.0, 4.0, "linear", 3.137968),
        ("K_Pst", "gK_Pstbar", 0.0, 1.0, "linear", 0.973538),
        ("K_Tst", "gK_Tstbar", 0.0, 0.1, "linear", 0.089259),
        ("SK_E2", "gSK_E2bar", 0.0, 0.1, "linear", 0.007104),
        ("SKv3_1", "gSKv3_1bar", 0.0, 2.0, "linear", 1.021945),
        ("Ca_HVA", "gCa_HVAbar", 0.0, 0.001, "linear", 0.00099),
        ("Ca_LVAst", "gCa_LVAstbar", 0.0, 0.01, "linear", 0.008752),
        ("CaDynamics_E2", "gamma", 0.0005, 0.05, "linear", 0.00291),
        ("CaDynamics_E2", "decay", 20.0, 1000.0, "linear", 287.199),
    ],
}
"""Mechanism, variable, bounds, scale, truth."""


def layer5() -> dict:
    """The synthetic layer-5 cell with 19 parameters, all on linear scales, as published."""
    every = [
        (r, what, x) for r in MECHANISMS for what, x in (("g_pas", 3e-5), ("e_pas", -75.0), ("Ra", 100.0))
    ]
    cm = [(r, "cm", 2.0 if r == "apical" else 1.0) for r in MECHANISMS]
    ions = [*IONS, ["apical", "ena", 50.0], ["apical", "ek", -85.0], ["basal", "gIhbar_Ih", 8e-5]]
    sweep = {"name": "step", "fit": True, "on": 10.0, "off": 90.0, "stop": 100.0, "sample_dt": 0.025}
    sweep |= {"amplitude": 3.0, "holding": 0.0, "v_init": -65.0, "worst": WORST}
    sweep |= {"windows": [[200, 2200], [2200, 3800]], "scale": [8.0, 4.0, 8.0, 4.0]}
    return {
        "name": "layer5",
        "cell": {"file": "C060114A7.asc", "nseg": 4},
        "celsius": 34.0,
        "cai": 1e-4,  # the pool's rest, where every pool of Cajax starts; the published cell starts at 5e-5
        "cao": 2.0,
        "mechanisms": MECHANISMS,
        "apical_ih": APICAL_IH,
        "fixed": [*every, *cm, *ions],
        "parameters": conductances(LAYER5),
        "sweeps": [sweep],
        "reduce": "sum",
        "solved": 0.55,
    }


STICKS = {
    # Equivalent cylinders: about 10,000 µm² in all, CVs shorter than a tenth of the length constant at 100 Hz.
    "soma": {
        "region": "soma",
        "parent": None,
        "at": 0.5,
        "nseg": 1,
        "points": [[0, -9, 0, 18], [0, 9, 0, 18]],
    },
    "axon": {
        "region": "axon",
        "parent": "soma",
        "at": 0.5,
        "nseg": 3,
        "points": [[0, 0, 0, 1], [0, -60, 0, 1]],
    },
    "basal": {
        "region": "basal",
        "parent": "soma",
        "at": 0.5,
        "nseg": 3,
        "points": [[0, 0, 0, 5.5], [170, 0, 0, 5.5]],
    },
    "apical": {
        "region": "apical",
        "parent": "soma",
        "at": 0.5,
        "nseg": 9,
        "points": [[0, 0, 0, 4], [0, 500, 0, 4]],
    },
}
CALCIUM = [
    ("SK_E2", "gSK_E2bar", 0.0, 0.1, "linear"),
    ("Ca_HVA", "gCa_HVAbar", 0.0, 0.001, "linear"),
    ("Ca_LVAst", "gCa_LVAstbar", 0.0, 0.01, "linear"),
    ("CaDynamics_E2", "gamma", 0.0005, 0.05, "linear"),
    ("CaDynamics_E2", "decay", 1.0, 100.0, "log"),
]
RECORDED: dict[str, list[tuple]] = {
    "soma": [
        ("NaTs2_t", "gNaTs2_tbar", 0.0, 6.0, "linear"),
        ("SKv3_1", "gSKv3_1bar", 0.25, 1.0, "linear"),
        *CALCIUM,
    ],
    "apical": [
        ("NaTs2_t", "gNaTs2_tbar", 0.0, 0.04, "linear"),
        ("SKv3_1", "gSKv3_1bar", 0.0, 0.001, "linear"),
        ("Im", "gImbar", 0.0, 0.1, "linear"),
    ],
    "axon": [
        ("NaTa_t", "gNaTa_tbar", 0.0, 6.0, "linear"),
        ("K_Pst", "gK_Pstbar", 0.0, 1.0, "linear"),
        ("K_Tst", "gK_Tstbar", 0.0, 0.1, "linear"),
        ("SKv3_1", "gSKv3_1bar", 0.0, 2.0, "linear"),
        *CALCIUM,
    ],
}


def recorded(name: str, sweeps: list[dict]) -> dict:
    """A recorded cell on four cylinders: the 25 published parameters, and three passive ones.

    The published fits set leak and capacitance by hand for each reconstructed cell. Here the cylinders stand in for a
    cell whose shape is unknown, so the passive parameters are searched like the others.
    """
    lin, log = "linear", "log"
    everywhere = list(MECHANISMS)
    spiking = ["soma", "axon", "apical"]
    shared = [
        parameter("na_shift", 0.0, 10.0, lin, "soma shift_NaTs2_t", "apical shift_NaTs2_t"),
        parameter("Ca_HVA.tauscale", 0.2, 5.0, log, "soma tauscale_Ca_HVA", "axon tauscale_Ca_HVA"),
        parameter("Ca_LVAst.tauscale", 0.2, 5.0, log, "soma tauscale_Ca_LVAst", "axon tauscale_Ca_LVAst"),
        parameter("Im.tauscale", 0.2, 5.0, log, "apical tauscale_Im"),
        parameter("ek", -100.0, -70.0, lin, *[f"{r} ek" for r in spiking]),
        parameter("ena", 40.0, 60.0, lin, *[f"{r} ena" for r in spiking]),
        parameter("leak.g", 1e-5, 5e-4, log, *[f"{r} g_pas" for r in everywhere]),
        parameter("leak.e", -100.0, -55.0, lin, *[f"{r} e_pas" for r in everywhere]),
        parameter("cm", 0.5, 4.0, log, *[f"{r} cm" for r in everywhere]),
    ]
    return {
        "name": name,
        "cell": {"sections": STICKS},
        "celsius": 34.0,
        "cai": 1e-4,
        "cao": 2.0,
        "mechanisms": MECHANISMS,
        "apical_ih": APICAL_IH,
        "fixed": [*[[r, "Ra", 100.0] for r in everywhere], ["basal", "gIhbar_Ih", 8e-5]],
        "parameters": conductances(RECORDED) + shared,
        "sweeps": sweeps,
        "reduce": "mean",
    }


def measured(v, i, dt, begin, end, sample_dt, source) -> dict:
    """Return one sweep from samples of v (mV) and i (nA); the step lasts from sample `begin` to sample `end`."""
    margin = round(MARGIN / dt)
    holding = float(np.mean(i[:begin]))
    v = np.asarray(v[begin - margin : end + margin + 1], float) - JUNCTION
    on, off = MARGIN, MARGIN + (end - begin) * dt
    sweep = {"on": on, "off": off, "stop": round(off + MARGIN, 6), "sample_dt": sample_dt, "holding": holding}
    sweep |= {"amplitude": float(np.mean(i[begin:end])) - holding, "v_init": float(np.mean(v[:margin]))}
    sweep |= {"source": source, "first_sample": begin - margin, "junction": JUNCTION, "worst": WORST}
    for key, floors in (("features", FLOORS), ("held_features", HELD)):
        found = efel_values(v, dt, on, off, list(floors))
        sweep[key] = {
            name: {"mean": x, "sd": max(abs(x) * floors[name][0], floors[name][1])}
            for name, x in found.items()
            if x is not None
        }
    return sweep


def allen(data: Path) -> list[dict]:
    """The six sweeps of the Allen Cell Types Database, a problem each."""
    out = []
    for file in sorted((data / "ephys").glob("allen_cell_*.npz")):
        z = np.load(file)
        dt, i = float(z["dt_ms"]), z["i_uA"] * 1e3
        [on] = np.flatnonzero(np.diff(i) > 0.01)
        [off] = np.flatnonzero(np.diff(i) < -0.01)
        sweep = measured(z["v_mV"], i, dt, int(on) + 1, int(off) + 1, 0.1, f"ephys/{file.name}")
        out.append(recorded(f"allen_{file.name.split('_')[2]}", [{"name": file.stem, "fit": True, **sweep}]))
    return out


def idrest(data: Path) -> dict:
    """Five IDRest steps of one layer-5 cell; the second and the fourth amplitude are held out."""
    from igor2 import binarywave

    sweeps = []
    for n in range(181, 186):
        files = [data / f"recordings/l5pc_idrest/B6_Ch{c}_IDRest_{n}.ibw" for c in (0, 3)]
        i, v = (np.asarray(binarywave.load(f)["wave"]["wData"], float) for f in files)
        step = np.flatnonzero(i > 0.5 * (i.min() + i.max()))
        source = f"recordings/l5pc_idrest/{files[1].name}"
        sweep = measured(v, i * 1e-3, 0.25, int(step[0]), int(step[-1]) + 1, 0.25, source)
        sweeps.append({"name": f"IDRest_{n}", "fit": n not in (182, 184), **sweep})
    return recorded("idrest", sweeps)


def observed(problem: dict, bluepyopt: Path, scratch: Path) -> dict:
    """Return the synthetic problem with its sections and its target: the true cell's voltage by CVODE at 1e-6."""
    from neuron_cell import Cell

    cell = Cell(problem, bluepyopt, scratch)
    cell.use(0.0, atol=1e-6)
    problem["cell"]["sections"] = cell.described()
    cell.set({p["name"]: p["truth"] for p in problem["parameters"]})
    [sweep] = problem["sweeps"]
    v = cell.run(sweep)
    sweep |= {"observed": window_values(v, sweep["windows"]), "trace": v.round(5).tolist()}
    return problem


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, help="the folder with ephys/ and recordings/")
    parser.add_argument("--bluepyopt", type=Path, help="bluepyopt's unpacked source distribution")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    found = [*allen(args.data), idrest(args.data)] if args.data else []
    if args.bluepyopt:
        found.append(observed(layer5(), args.bluepyopt, args.folder))
    for problem in found:
        (args.folder / f"{problem['name']}.json").write_text(json.dumps(problem, indent=1))
        print(problem["name"], len(problem["parameters"]), "parameters", len(problem["sweeps"]), "sweeps")


if __name__ == "__main__":
    main()
