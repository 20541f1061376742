"""Ions, Markov schemes, synapses and networks against NEURON 9.0.2 (`traces/mech_*`, made by `neuron_mechanisms.py`).

`python tests/parity/test_mechanisms.py` prints the differences as a table.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import (
    HH,
    NMDA,
    Channel,
    Diffusive,
    EventSynapse,
    Exp2Syn,
    ExpSyn,
    GapJunction,
    Gate,
    Param,
    Pool,
    Pump,
    Reversal,
    Scheme,
    Shells,
    ghk,
    param,
)

HERE = Path(__file__).resolve().parent
MEAN_MV = 0.02  # allowed mean |ΔV|
MEAN_CA = 0.01  # allowed mean |Δ[Ca]|, relative to its rise
MEAN_OPEN = 1e-3  # allowed mean error of an occupancy
Traces = dict[str, np.ndarray]


class Ca(Channel):
    """`cax_ca.mod`: a calcium conductance that reverses at the Nernst potential."""

    g: Param = param(1e-3, "S/cm2")
    ion = "ca"

    def gates(self, v):
        return {"m": activation(v)}

    def current(self, v, m, eca):
        return self.g * m**2 * (v - eca)


class CaPermeability(Channel):
    """`cax_ghk.mod`: a calcium permeability."""

    p: Param = param(1e-4, "cm/s")
    ion = "ca"

    def gates(self, v):
        return {"m": activation(v)}

    def current(self, v, m, cai, cao, celsius):
        return self.p * m**2 * ghk(v, cai, cao, 2, celsius)


def activation(v):
    """The gate of both calcium currents."""
    tau = 0.5 + 3.0 / (jnp.exp((v + 20.0) / 12.0) + jnp.exp(-(v + 20.0) / 12.0))
    return Gate.relax(1.0 / (1.0 + jnp.exp(-(v + 20.0) / 6.0)), tau)


class Sk(Channel):
    """`cax_sk.mod`: potassium gated by calcium (Köhler et al. 1996, in the form of Hay et al. 2011)."""

    g: Param = param(1e-3, "S/cm2")
    ion = "k"

    def gates(self, v, cai):
        inf = 1.0 / (1.0 + (0.00043 / cai) ** 4.8)
        return {"z": Gate.relax(inf, jnp.ones_like(v))}

    def current(self, v, z, ek):
        return self.g * z * (v - ek)


class RamanBean(Channel):
    """`cax_rb.mod`: the 13-state sodium channel of Raman & Bean (2001) Biophys J 80:729."""

    g: Param = param(0.015, "S/cm2")
    ion = "na"

    def gates(self, v):
        al, be, ze = 150.0 * jnp.exp(v / 20.0), 3.0 * jnp.exp(-v / 20.0), 0.03 * jnp.exp(-v / 25.0)
        con, coff, oon, ooff = 0.005, 0.5, 0.75, 0.005
        a, b = (oon / con) ** 0.25, (ooff / coff) ** 0.25
        steps = {"C5 <-> O": (150.0, 40.0), "I5 <-> I6": (150.0, 40.0), "O <-> B": (1.75, ze)}
        steps |= {"O <-> I6": (oon, ooff)}
        for k in range(1, 5):
            steps[f"C{k} <-> C{k + 1}"] = ((5 - k) * al, k * be)
            steps[f"I{k} <-> I{k + 1}"] = ((5 - k) * al * a, k * be * b)
        steps |= {f"C{k} <-> I{k}": (con * a ** (k - 1), coff * b ** (k - 1)) for k in range(1, 6)}
        return {"rb": Scheme.of(steps)}

    def current(self, v, O, ena):
        return self.g * O * (v - ena)


@cache
def load(name: str) -> tuple[dict[str, Any], Traces]:
    """Return (meta, arrays) of a stored case."""
    with np.load(HERE / "traces" / f"mech_{name}.npz", allow_pickle=False) as file:
        arrays = {k: x.astype(float) if x.dtype == np.float32 else x for k, x in file.items() if k != "meta"}
        return json.loads(str(file["meta"])), arrays


def ball(meta: dict[str, Any], soma: float = 10.0, length: float = 200.0, radius: float = 1.0) -> cx.Cell:
    """Return the bare cell of a case."""
    shape = cx.ball_and_stick(soma, length, radius)
    return cx.Cell(shape, cm=1.0, ra=100.0, v0=meta["v_init"], temperature=meta["celsius"])


def run(model: cx.Model, meta: dict[str, Any], record: dict[str, Any], inputs: Any = None) -> Traces:
    """Run a model, with the clamp of a case unless told otherwise, and return the recordings."""
    inputs = [cx.IClamp("soma", *meta["clamp"])] if inputs is None else inputs
    step = {"method": cx.BackwardEuler(), "dt": meta["dt"]}
    solution = cx.simulate(model, t1=meta["stop"], inputs=inputs, record=record, **step)
    return {name: np.asarray(solution[name])[:: meta["every"]] for name in record}


def calcium(name: str) -> Traces:
    """Spikes, calcium influx, a pool and a calcium-activated potassium current."""
    meta, _ = load(name)
    pool = {"pool": Pool, "ghk": Pool, "pump": Pump}[name]
    source = (CaPermeability if name == "ghk" else Ca)(**meta["source"])
    cell = ball(meta).paint("all", hh=HH(), cav=source, sk=Sk(g=meta["sk"]), k=Reversal(-77.0))
    model = cell.paint("all", ca=pool(co=2.0, **meta["pool"])).discretize(cx.PerBranch(5))
    dend = cx.at(1, 0.5)
    return run(
        model,
        meta,
        {"v": "soma", "v_dend": dend, "cai": "soma.ca.cai"}
        | {"cai_dend": cx.Probe(dend, "ca.cai"), "eca": "soma.ca.eca"},
    )


def spreading(name: str) -> Traces:
    """Calcium that enters at the soma and diffuses into the dendrite."""
    meta, _ = load(name)
    values = dict(meta["pool"])
    if name == "shells":
        pool = Shells(co=2.0, buffer=values.pop("total"), **values)
    else:
        pool = Diffusive(co=2.0, **values)
    model = ball(meta, **meta["shape"]).paint("all", hh=HH(), ca=pool).paint("soma", cav=Ca())
    record: dict[str, Any] = {"v": "soma", "cai": "soma.ca.cai"}
    record |= {"cai_near": cx.Probe(cx.at(1, 0.1), "ca.cai"), "cai_far": cx.Probe(cx.at(1, 0.5), "ca.cai")}
    if name == "shells":
        record |= {
            "core": "soma.ca.c3",
            "core_near": cx.Probe(cx.at(1, 0.1), "ca.c3"),
            "buffer": "soma.ca.b0",
        }
    return run(model.discretize(cx.PerBranch(5)), meta, record)


def markov(name: str = "markov") -> Traces:
    """Spikes by a sodium channel of 13 states."""
    meta, _ = load(name)
    cell = ball(meta).paint("all", hh=HH(gna=0.0), nav=RamanBean(g=meta["g"]), na=Reversal(50.0))
    record = {"v": "soma", "v_dend": cx.at(1, 0.5)} | {k: f"soma.nav.{k}" for k in ("O", "B", "I6", "C1")}
    return run(cell.discretize(cx.PerBranch(5)), meta, record)


class Stp(EventSynapse):
    """`cax_stp.mod`: short-term depression and facilitation (Tsodyks, Pawelzik & Markram 1998)."""

    tau: Param = param(2.0, "ms", lo=1e-3)
    e: Param = param(0.0, "mV")
    U: Param = param(0.5, "1")
    tau_rec: Param = param(800.0, "ms", lo=1e-3)
    tau_fac: Param = param(1e-3, "ms", lo=1e-3)

    def gates(self):
        zero = jnp.zeros(())
        return {
            "g": Gate.relax(zero, self.tau),
            "x": Gate.relax(zero + 1.0, self.tau_rec),
            "u": Gate.relax(zero, self.tau_fac),
        }

    def event(self, g, x, u):
        used = u + self.U * (1.0 - u)
        return {"g": g + used * x, "x": x * (1.0 - used), "u": used}

    def release(self, g, x, u):
        return g

    def current(self, v, g):
        return g * (v - self.e)


def synapse(name: str) -> Traces:
    """A synapse in the middle of the dendrite, driven by a train of spikes."""
    meta, _ = load(name)
    values = dict(meta["synapse"])
    if name == "nmda":
        kind = NMDA(saturation=0.0, **values)
    elif name == "exp2syn":
        kind = Exp2Syn(rise=values["tau1"], decay=values["tau2"], e=values["e"])
    elif name == "expsyn":
        kind = ExpSyn(**values)
    else:
        kind = Stp(**{k: max(x, 1e-3) if k == "tau_fac" else x for k, x in values.items()})
    net = cx.Network().add("stim", cx.SpikeSource()).add("cell", ball(meta).paint("all", hh=HH()))
    there = {"at": cx.at(1, 0.5), "weight": meta["weight"], "delay": meta["delay"]}
    model = net.connect("stim", "cell", kind, **there).discretize(cx.PerBranch(5))
    record = {"v": "cell", "v_dend": cx.Probe(("cell", cx.at(1, 0.5)))}
    train = [cx.Spikes("stim", meta["times"])]
    return {k: x.reshape(len(x)) for k, x in run(model, meta, record, inputs=train).items()}


def gap(name: str) -> Traces:
    """Two cells joined in the middle of their dendrites; a current into one of them."""
    meta, _ = load(name)
    net = cx.Network().add("cell", ball(meta).paint("all", hh=HH()), 2)
    half = cx.at(1, 0.5)
    net = net.connect("cell", "cell", GapJunction(), cx.edges([[0, 1]]), half, meta["g"], source=half)
    delay, dur, amp = meta["clamp"]
    clamp = cx.IClamp("cell", delay, dur, np.array([amp, 0.0]))
    record = {"v": "cell", "v_dend": cx.Probe(("cell", half))}
    found = run(net.discretize(cx.PerBranch(5)), meta, record, inputs=[clamp])
    flat = {k: x.reshape(len(x), 2) for k, x in found.items()}
    return {f"{k[0]}{i}{k[1:]}": x[:, i] for k, x in flat.items() for i in range(2)}


@cache
def ring(method: Any, dt: float) -> np.ndarray:
    """Return the spike times of the ring of cells in the order in which they happen, ms."""
    meta, _ = load("ring")
    n = meta["cells"]
    net = (
        cx.Network()
        .add("start", cx.SpikeSource())
        .add("cell", ball(meta, length=100.0).paint("all", hh=HH()), n)
    )
    there = {"at": cx.at(1, 0.5), "weight": meta["weight"], "delay": meta["delay"]}
    net = net.connect("start", "cell", ExpSyn(), cx.edges([[0, 0]]), **there)
    links = cx.edges([[i, (i + 1) % n] for i in range(n)])
    net = net.connect("cell", "cell", ExpSyn(), links, threshold=meta["threshold"], **there)
    model, first = net.discretize(cx.PerBranch(1)), [cx.Spikes("start", [1.0])]
    sol = cx.simulate(model, t1=meta["stop"], dt=dt, inputs=first, record={"v": "cell"}, method=method)
    v = np.asarray(sol["v"]) - meta["threshold"]
    step, cell = np.nonzero((v[:-1] <= 0) & (v[1:] > 0))
    low, high = v[step, cell], v[step + 1, cell]
    found = np.stack([(step + 1) * dt, (step - low / (high - low)) * dt], axis=1)
    return found[np.argsort(found[:, 1])]


RUNS = dict.fromkeys(("pool", "pump", "ghk"), calcium) | dict.fromkeys(("shells", "diffuse"), spreading)
RUNS |= {"markov": markov, "gap": gap}
RUNS |= dict.fromkeys(("expsyn", "exp2syn", "nmda", "depress", "facilitate"), synapse)


@cache
def errors(name: str) -> dict[str, tuple[float, float]]:
    """Return (mean, largest) error per recording: mV, share of the rise of a concentration, or occupancy."""
    _, expected = load(name)
    found = {}
    for key, x in RUNS[name](name).items():
        y = expected[key]
        if key == "eca":  # NEURON updates it with the currents of the next step
            x, y = x[:-1], y[1:]
        scale = np.ptp(y) if key.startswith(("cai", "core", "buffer")) else 1.0
        gap = np.abs(x - y) / scale
        found[key] = float(gap.mean()), float(gap.max())
    return found


def allowed(key: str) -> float:
    """Return the mean error that a recording may have."""
    if key.startswith(("v", "eca")):
        return MEAN_MV
    return MEAN_CA if key.startswith(("cai", "core", "buffer")) else MEAN_OPEN


@pytest.mark.parametrize("name", sorted(RUNS))
def test_like_neuron(name: str) -> None:
    """Backward Euler gives NEURON's voltage, concentrations and occupancies at every recorded place."""
    for key, (mean, _) in errors(name).items():
        assert mean <= allowed(key), f"{name}.{key}: mean error {mean:.3g}, allowed {allowed(key):g}"


def test_ring_has_neurons_spike_times() -> None:
    """Backward Euler: every spike of the ring, one and an eighth times around it, within one step of NEURON's."""
    meta, expected = load("ring")
    found = ring(cx.BackwardEuler(), meta["dt"])[:, 0]
    assert len(found) == len(expected["spike_times"])
    # NEURON detects a spike at the first step above threshold.
    np.testing.assert_allclose(found, expected["spike_times"], rtol=0, atol=meta["dt"] + 1e-6)


def test_ring_converges_to_cvode() -> None:
    """Staggered: every spike within 0.025 ms of CVODE's, whose steps are adaptive; errors add up around the ring."""
    expected = load("ring")[1]["converged_times"]
    found = ring(cx.Staggered(), 0.0125)[:, 1]
    assert len(found) == len(expected)
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.025)


def main() -> None:
    """Print the errors of every case."""
    print(f"{'case':13s} {'recording':10s} {'mean':>9s} {'max':>9s}   mV, share of the rise, or occupancy")
    for name in RUNS:
        for key, (mean, largest) in errors(name).items():
            print(f"{name:13s} {key:10s} {mean:9.2e} {largest:9.2e}")
    expected = load("ring")[1]
    for method, dt, times, column in (
        (cx.BackwardEuler(), 0.025, "spike_times", 0),
        (cx.Staggered(), 0.025, "converged_times", 1),
        (cx.Staggered(), 0.0125, "converged_times", 1),
    ):
        gap = np.abs(ring(method, dt)[:, column] - expected[times]).max()
        print(f"ring          {method}, dt {dt}: largest difference from {times} {gap:.4f} ms")


if __name__ == "__main__":
    import jax

    jax.config.update("jax_enable_x64", True)
    main()
