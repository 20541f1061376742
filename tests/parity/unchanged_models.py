"""Models, protocols and recordings of every kind a user can write, and their traces as stored in one file.

    python tests/parity/unchanged_models.py tests/parity/traces/unchanged.npz [case ...]

writes the traces of the code at hand, of all cases or of those that are named; the others stay as they are. The stored
file holds traces of the commit before the middle of the house was cut by thing: whatever is moved behind the public
names, `test_unchanged.py` finds the same numbers. Make it anew only where a change of the numbers is wanted, and say so
in `CHANGELOG.md`.

Every model runs in double and in single precision. Stored are the recordings (every tenth sample and the last), the
loss, a weighted mean square of all samples of all recordings, and its gradient by the parameters that the case names,
each per relative change of the parameter. Of a task it is the loss that it trains, and the gradient by what it trains.

A case is a function that returns (model, arguments of `simulate`, globs of parameters) and is built with public names
alone. Runs are short, so that the rounding of another compiler setting stays below what `test_unchanged.py` allows;
those named in `SINGLE` and the tasks are shorter still in single precision.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import cajax as cx
from cajax.mech import (
    AMPA,
    GABAA,
    GABAB,
    HH,
    LIF,
    NMDA,
    STDP,
    AdEx,
    Alpha,
    ArcTan,
    CaL,
    CaT,
    Channel,
    Diffusive,
    Exp2Syn,
    ExpSyn,
    FastSigmoid,
    Fixed,
    GapJunction,
    Gaussian,
    Graded,
    Izhikevich,
    Kd,
    Km,
    Leak,
    Na,
    Param,
    Pool,
    Pump,
    Rate,
    Reversal,
    RewardSTDP,
    Scheme,
    Shells,
    ShortTerm,
    Triangle,
    TripletSTDP,
    allen,
    fohlmeister1997,
    hay2011,
    mainen1996,
    param,
    poirazi2003,
    transporters,
    traub,
    wang1996,
)
from cajax.tasks import Dendrite, Digits, Evidence, Match, Mnist, Recall

Case = tuple[cx.Model, dict[str, Any], tuple[str, ...]]
TaskCase = tuple[Any, Any, Any]
"""Task, stage, batch."""
Found = dict[str, np.ndarray]
"""What is stored of one case: "recording …", "loss" and "gradient …"."""

EVERY = 10
"""So many samples lie between two that are stored."""
SINGLE = {
    "squid": 8.0, "pyramid": 5.0, "tree_staggered": 2.5, "tree_implicit": 1.5, "hay": 0.65, "markov": 4.0,
    "papers": 0.75, "stimuli": 0.5, "delays": 2.0, "plastic": 6.0, "rewarded": 6.0, "gaps": 2.5, "points": 6.0,
    "continued": 0.6,
}  # fmt: skip
"""How long (ms) a case runs in single precision, where that is less than in double."""

# Shapes and stimuli


def tree(seed: int, branches: int = 5) -> cx.Morphology:
    """A soma and a random tree of tapering dendrites on it, written as a file and read."""
    random = np.random.default_rng(seed)
    rows, tips = ["1 1 0 0 0 8 -1"], [(1, np.zeros(3), 0)]
    for k in range(branches):
        parent, start, kind = tips[int(random.integers(len(tips)))] if k >= 3 else tips[0]
        kind = kind or (3, 4, 2)[k % 3]
        way = random.normal(size=3)
        way *= random.uniform(40.0, 120.0) / np.linalg.norm(way)
        for share, radius in zip((0.3, 0.65, 1.0), random.uniform(0.4, 1.5, 3), strict=True):
            x, y, z = start + share * way
            rows.append(f"{len(rows) + 1} {kind} {x:.4f} {y:.4f} {z:.4f} {radius:.4f} {parent}")
            parent = len(rows)
        tips.append((parent, start + way, kind))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tree.swc"
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")
        return cx.read_morphology(path)


def ball(**options: Any) -> cx.Cell:
    """A soma and a dendrite."""
    return cx.Cell(cx.ball_and_stick(8.0, 120.0, 1.0, 0.5), **options)


def point(**options: Any) -> cx.Cell:
    """One cylinder."""
    return cx.Cell(cx.cylinder(20.0, 10.0), **options)


def step(at: Any, amp: Any, delay: float = 0.51, dur: float = 100.0) -> cx.IClamp:
    """A current step whose beginning lies within a time step."""
    return cx.IClamp(at, delay=delay, dur=dur, amp=amp)


def falling(x: Any, base: Any, scale: Any) -> Any:
    """What falls off with distance."""
    return base * jnp.exp(-x / scale)


# Single cells


def passive() -> Case:
    """A cable with a leak, two cm and two ra; first order."""
    cell = (
        ball(cm=0.9, ra=120.0, v0=-68.0)
        .paint("all", leak=Leak(g=2e-4, e=-70.0))
        .paint("apical", cm=1.7, ra=90.0)
    )
    run = {
        "t1": 15.0, "dt": 0.1, "method": cx.BackwardEuler(), "adjoint": cx.Direct(),
        "inputs": [step("soma", 0.1, dur=6.03), step(cx.terminals(), -0.02, 4.0, 3.0)],
        "record": {"v": cx.every_cv(), "tip": cx.at(1, 1.0), "i": "soma.leak.i"},
    }  # fmt: skip
    return cell.discretize(cx.MaxLength(20.0)), run, ("*",)


def squid() -> Case:
    """`HH` at 10 °C: gates, the whole current and its parts."""
    cell = point(temperature=10.0).paint("all", hh=HH())
    record = {"v": "soma"} | {k: f"soma.hh.{k}" for k in ("m", "h", "n", "i", "ina", "ik", "il")}
    run = {"t1": 12.0, "inputs": [step("soma", 0.3)], "record": record}
    return cell.discretize(cx.PerBranch(1)), run, ("*",)


def pyramid() -> Case:
    """A grown cell with axon, active in parts, control volumes by `DLambda`; values along the path and per branch."""
    cell = cx.Cell(cx.pyramidal(3, tips=6, stems=2), v0=-70.0).label(
        near=cx.path_distance() < 120.0, thick=cx.radius() > 0.7, outer=cx.branch_order() >= 2
    )
    cell = (
        cell.paint("all", leak=Leak(g=cx.each("branch", 1e-4), e=-70.0))
        .paint("soma", na=Na(g=0.08), kd=Kd(g=0.01))
        .paint("apical", na=Na(g=cx.along(cx.path_distance(), falling, base=0.03, scale=150.0)), kd=Kd())
        .paint("thick", km=Km(g=cx.each("cv", 1e-4)), cm=1.4)
        .paint("outer", leak=Leak(g=2e-4, e=-68.0))
    )
    run = {
        "t1": 8.0,
        "inputs": [step("soma", 0.6), step("axon", 0.05, 1.0, 2.0)],
        "record": {
            "v": cx.terminals(), "near": cx.center("near"), "m": "soma.na.m", "p": "thick.km.p",
            "i": cx.Probe(cx.every_cv("apical"), "kd.i"),
        },
    }  # fmt: skip
    return cell.discretize(cx.DLambda(0.3)), run, ("*",)


def tree_staggered() -> Case:
    """A random tree with six kinds of channel, warm; values per cell and per control volume."""
    cell = cx.Cell(tree(1), v0=-67.0, temperature=30.0, ra=150.0).paint(
        "all", leak=Leak(g=cx.each("cell", 1.5e-4)), kd=Kd(g=cx.each("cv", 4e-3))
    )
    cell = cell.paint("soma", na=Na(g=0.07), cal=CaL(g=2e-4)).paint("apical", cat=CaT(g=4e-4), km=Km())
    cell = cell.paint("basal", hh=HH(gna=0.06), kd=Kd(g=6e-3, vt=-58.0)).paint(
        "axon", na=Na(g=0.09), temperature=33.0
    )
    run = {
        "t1": 8.0,
        "inputs": [step("soma", 0.25)],
        "record": {
            "v": cx.every_cv(), "q": "soma.cal.q", "u": "apical.cat.u", "n": "basal.hh.n", "ina": "basal.hh.ina",
            "p": cx.Probe("apical", "km.p"),
        },
    }  # fmt: skip
    return cell.discretize(cx.PerBranch(3)), run, ("*",)


def tree_implicit() -> Case:
    """Another random tree, first order, with painted radii and lengths."""
    cell = cx.Cell(tree(2, 6), v0=-66.0).paint("all", leak=Leak(g=2e-4), cm=cx.each("branch", 1.1))
    cell = cell.paint("soma", na=Na(), kd=Kd(), length=14.0, radius=7.0).paint(
        "basal", radius=cx.each("cv", "measured")
    )
    cell = cell.paint("apical", radius=0.8, length=cx.each("branch", 70.0), km=Km(g=2e-4))
    run = {
        "t1": 8.0, "dt": 0.05, "method": cx.BackwardEuler(),
        "inputs": [step("soma", 0.2)],
        "record": {"v": cx.every_cv(), "h": "soma.na.h", "i": "soma.kd.i"},
    }  # fmt: skip
    return cell.discretize(cx.PerBranch(2)), run, ("*",)


def hay() -> Case:
    """The membrane of a layer-5 pyramidal cell: ten channels, calcium, H current graded along the path."""
    cell = ball(v0=-78.0, temperature=34.0).paint(
        "all", leak=Leak(g=4e-5, e=-90.0), na=Reversal(50.0), k=Reversal(-85.0), ca=hay2011.CaDynamics(),
        ih=hay2011.Ih(g=cx.along(cx.path_distance(), falling, base=2e-4, scale=-150.0)), sk=hay2011.SK(),
        kv=hay2011.Kv31(), hva=hay2011.CaHVA(), lva=hay2011.CaLVA(),
    )  # fmt: skip
    cell = cell.paint("soma", nat=hay2011.NaTa(), nap=hay2011.NaP(), kt=hay2011.KT(), kp=hay2011.KP())
    cell = cell.paint("apical", nat=hay2011.NaTa(g=0.02), im=hay2011.Im(g=1e-4))
    run = {
        "t1": 8.0,
        "inputs": [step("soma", 0.4)],
        "record": {
            "v": cx.every_cv(), "ca": "soma.ca.cai", "eca": "apical.ca.eca", "ica": "apical.hva.ica", "z": "soma.sk.z",
            "h": "apical.ih.m",
        },
    }  # fmt: skip
    return (
        cell.discretize(cx.PerBranch(2)),
        run,
        ("*.g", "*.g.*", "*.ca.*", "*.e", "all.cm", "all.temperature"),
    )


def ions() -> Case:
    """Every kind of ion: fixed, pumped and shelled calcium, diffusing sodium; pump and exchanger."""
    cell = ball(v0=-70.0, temperature=36.0).label(far=cx.tag("apical") & (cx.path_distance() > 60.0))
    cell = cell.paint(
        "all", leak=Leak(), na=Diffusive(ci=12.0, tau=100.0), k=Fixed(140.0, 4.0), hva=hay2011.CaHVA(g=3e-4),
        nak=transporters.NaKPump(), ncx=transporters.NCX(0.05),
    )  # fmt: skip
    cell = cell.label(near=~cx.region("far")).paint("near", ca=Pump(vmax=2e-4))
    cell = cell.paint("far", shell=Shells(shells=2, vmax=1e-3, species="ca"))
    run = {
        "t1": 6.0, "dt": 0.05,
        "inputs": [step("soma", 0.4)],
        "record": {
            "v": cx.every_cv(), "nai": cx.Probe(cx.every_cv(), "na.nai"), "ena": "soma.na.ena", "cai": "soma.ca.cai",
            "outer": "far.shell.cai", "c1": cx.Probe(cx.every_cv("far"), "shell.c1"),
            "b1": "far.shell.b1", "ina": "soma.ncx.ina", "ica": "soma.ncx.ica", "ko": "soma.k.ko",
        },
    }  # fmt: skip
    # Everything but `all.hva.slow`, which is younger than the stored traces.
    every = ("all.leak.*", "all.na.*", "all.k.*", "all.hva.g", "all.nak.*", "all.ncx.*", "near.*", "far.*")
    return cell.discretize(cx.PerBranch(2)), run, (*every, "all.cm", "all.ra", "all.v0", "all.temperature")


class Inactivating(Channel):
    """Sodium that must close before it opens again, as a Markov scheme."""

    g: Param = param(0.05, "S/cm2")
    half: Param = param(-30.0, "mV")
    ion = "na"

    def gates(self, v: Any) -> dict[str, Any]:
        opening, closing = 2.0 * jnp.exp((v - self.half) / 12.0), jnp.exp((self.half - v) / 12.0)
        out, back = 0.5 + 0.0 * v, 0.1 + 0.0 * v
        return {"scheme": Scheme.of({"C <-> O": (opening, closing), "O -> I": out, "I -> C": back})}

    def current(self, v: Any, O: Any, ena: Any) -> Any:
        return self.g * O * (v - ena)


def markov() -> Case:
    """A Markov scheme of one's own beside the potassium channels of the Allen Institute's models."""
    cell = ball(v0=-72.0, temperature=34.0).paint(
        "all", leak=Leak(g=1e-4, e=-75.0), na=Reversal(53.0), k=Reversal(-107.0), nav=Inactivating(g=0.02),
        kv=allen.Kv2(g=0.01), kt=allen.KT(g=0.01), kd=allen.Kd(g=1e-3), im=allen.ImV2(g=1e-3),
    )  # fmt: skip
    run = {
        "t1": 8.0,
        "inputs": [step("soma", 0.4)],
        "record": {"v": cx.every_cv(), "O": "soma.nav.O", "C": "apical.nav.C", "i": "soma.kv.i"},
    }  # fmt: skip
    return cell.discretize(cx.PerBranch(2)), run, ("*",)


def ca1() -> Case:
    """Channels of Poirazi et al.: Goldman–Hodgkin–Katz drive, slow attenuation, calcium-dependent potassium."""
    cell = point(v0=-68.0, temperature=34.0).paint(
        "all", leak=Leak(g=1e-4, e=-70.0), na=Reversal(50.0), k=Reversal(-80.0),
        ca=Pool(ci=1e-4, gamma=1 / 18, depth=0.1, tau=200 / 7), nas=poirazi2003.NaSoma(), kdr=poirazi2003.KdrSoma(),
        kap=poirazi2003.KAProximal(), h=poirazi2003.H(), cal=poirazi2003.CaL(), cat=poirazi2003.CaT(),
        car=poirazi2003.CaRSoma(), sahp=poirazi2003.SAHP(), mahp=poirazi2003.MAHP(), km=poirazi2003.Km(),
    )  # fmt: skip
    record = {"v": "soma", "ca": "soma.ca.cai", "i": "soma.cal.i", "s": "soma.nas.s"}
    run = {"t1": 8.0, "inputs": [step("soma", 0.15)], "record": record}
    return cell.discretize(cx.PerBranch(1)), run, ("*.g", "*.ca.*", "*.e", "*.cm", "*.temperature")


def papers() -> Case:
    """Cells of Traub, Mainen & Sejnowski, Wang & Buzsáki, Fohlmeister & Miller side by side; first order."""
    m, f, w = mainen1996, fohlmeister1997, wang1996
    ca3 = point(cm=3.0, v0=-60.0, temperature=25.0).paint(
        "all", leak=Leak(g=1e-4, e=-60.0), na=Reversal(55.0), k=Reversal(-75.0),
        ca=Pool(1e-9, gamma=0.01115, depth=1.0), nat=traub.CA3Na(), kdr=traub.CA3Kdr(), ka=traub.CA3KA(),
        cas=traub.CA3Ca(), ahp=traub.CA3KAHP(), kc=traub.CA3KC(),
    )  # fmt: skip
    neocortex = point(v0=-70.0, temperature=37.0).paint(
        "all", leak=Leak(), na=Reversal(60.0), k=Reversal(-90.0), ca=Pool(gamma=1.0, tau=200.0), nat=m.Na(g=0.02),
        kv=m.Kv(g=0.01), km=m.Km(), kca=m.KCa(), hva=m.Ca(),
    )  # fmt: skip
    quick = point(v0=-65.0, temperature=25.0).paint("all", leak=Leak(g=1e-4, e=-65.0), na=w.Na(), k=w.K())
    retina = point(v0=-65.0, temperature=22.0).paint(
        "all", leak=Leak(g=5e-5, e=-62.0), na=Reversal(35.0), k=Reversal(-75.0), ca=Pool(co=1.8, gamma=1.0), nat=f.Na(),
        kv=f.K(), ka=f.KA(), cav=f.Ca(), kca=f.KCa(),
    )  # fmt: skip
    net = cx.Network().add("ca3", ca3).add("neocortex", neocortex).add("quick", quick).add("retina", retina)
    record = {k: k for k in ("ca3", "neocortex", "quick", "retina")} | {
        "ca": "retina.soma.ca.cai",
        "q": "ca3.soma.ahp.q",
    }
    names = ("ca3", "neocortex", "quick", "retina")
    inputs = [step(name, amp) for name, amp in zip(names, (0.2, 0.1, 0.05, 0.02), strict=True)]
    run = {"t1": 6.0, "method": cx.BackwardEuler(), "inputs": inputs, "record": record}
    return net.discretize(cx.PerBranch(1)), run, ("*.g", "*.ca.*", "*.e")


# Protocols


def clamps() -> Case:
    """A voltage clamp with series resistance that follows a waveform, and one of two electrodes."""
    cell = ball(v0=-70.0).paint("all", leak=Leak(g=3e-4, e=-70.0), na=Na(g=0.02), kd=Kd())
    net = cx.Network().add("ramp", cell).add("held", cell, 2)
    run = {
        "t1": 8.0,
        "inputs": [
            cx.VClamp("ramp", np.concatenate([np.full(5, -70.0), np.linspace(-70.0, 10.0, 20)]), dt=0.2, rs=2.0),
            cx.TwoElectrode("held", np.array([-30.0, -60.0]), gain=500.0, tau=0.05, rs=2.0),
            cx.VClamp("held.apical", -65.0, rs=50.0),
        ],
        "record": {
            "ramp": "ramp", "held": "held", "tips": ("held", cx.terminals()), "i": "ramp.soma.na.i",
            "m": "held.soma.na.m",
        },
    }  # fmt: skip
    return net.discretize(cx.PerBranch(2)), run, ("*",)


def stimuli() -> Case:
    """Noise as current and as conductance, a dynamic clamp and a current waveform, each with its own places."""
    key = jax.random.key(5)
    cell = ball(v0=-68.0).paint("all", leak=Leak(g=3e-4, e=-68.0), kd=Kd())
    run = {
        "t1": 10.0, "dt": 0.05,
        "inputs": [
            cx.Noise("soma", 0.05, 0.02, 2.0, key),
            cx.Noise(cx.every_cv("apical"), 1e-4, 2e-4, 3.0, jax.random.key(6), e=0.0),
            cx.Conductance("apical", np.linspace(0.0, 2e-3, 6), dt=1.7, e=-80.0),
            cx.Current(cx.every_cv("soma"), 0.03 * np.sin(np.arange(30.0)).reshape(15, 2), dt=0.6),
        ],
        "record": {"v": cx.every_cv(), "n": "soma.kd.n"},
    }  # fmt: skip
    return cell.discretize(cx.PerBranch(2)), run, ("*",)


# Networks


def graded() -> Case:
    """Graded synapses, dense, sparse, random, at many sites and at given ones; cells of several shapes."""
    source = point().paint("all", hh=HH(gna=cx.each("cell", 0.12)))
    other = cx.Cell(tree(3, 4), v0=-68.0).paint("all", leak=Leak(g=3e-4), cat=CaT())
    mixed = [cx.Cell(tree(k, 4), v0=-65.0).paint("all", leak=Leak(g=cx.each("cell", 2e-4))) for k in (4, 5)]
    net = cx.Network().add("source", source, 3).add("tree", other, 2).add("mixed", mixed)
    weight = np.linspace(2e-4, 1e-3, 6).reshape(3, 2)
    net = (
        net.connect("source", "tree", Graded(), at="apical", weight=weight)
        .connect(
            "source",
            "tree",
            Graded(e=-80.0, threshold=-50.0),
            at=cx.every_cv("basal"),
            weight=3e-4,
            name="inh",
        )
        .connect(
            "tree",
            "mixed",
            Graded(slope=5.0, k=0.1),
            cx.one_to_one(),
            weight=cx.each("edge", 5e-4),
        )
        .connect(
            "source", "mixed", Graded(e=-70.0), cx.edges([[0, 0], [2, 1], [1, 0]]), at="all", source="soma"
        )
        .connect(
            "source",
            "mixed",
            Graded(k=0.2),
            cx.edges([[0, 1, 2], [1, 0, 0]]),
            at=cx.every_cv("axon"),
            name="sites",
        )
        .connect("mixed", "source", Graded(e=-75.0), cx.bernoulli(0.6, seed=1), weight=1e-4)
    )
    run = {
        "t1": 8.0, "dt": 0.05,
        "inputs": [step("source", np.array([0.3, 0.2, 0.1]))],
        "record": {
            "source": "source", "tree": ("tree", cx.every_cv("apical")), "mixed": "mixed",
            "s": "source->tree.graded.s", "edge": "tree->mixed.graded.s", "m": "source.soma.hh.m",
        },
    }  # fmt: skip
    return net.discretize(cx.PerBranch(3)), run, ("*",)


def rates() -> Case:
    """Rate units that excite and inhibit each other; first order."""
    unit = point(v0=-60.0).paint("all", leak=Leak(g=5e-4, e=-60.0))
    net = cx.Network().add("a", unit, 4).add("b", unit, 2)
    weight = np.linspace(1e-3, 6e-3, 8).reshape(4, 2)
    net = net.connect("a", "b", Rate(), weight=weight).connect(
        "b", "a", Rate(drive=-20.0, tau=3.0), weight=4e-3
    )
    net = net.connect("a", "a", Rate(threshold=-55.0), cx.bernoulli(0.5, seed=3, autapses=True), weight=2e-3)
    run = {
        "t1": 20.0, "dt": 0.1, "method": cx.BackwardEuler(),
        "inputs": [step("a", np.array([0.05, 0.02, 0.0, 0.1]), dur=10.0)],
        "record": {"a": "a", "b": "b", "s": "a->b.rate.s"},
    }  # fmt: skip
    return net.discretize(cx.PerBranch(1)), run, ("*",)


def synapses() -> Case:
    """Every synapse that answers to spikes, from two sources onto dendrites."""
    net = cx.Network().add("in", cx.SpikeSource(), 2).add("cell", ball(v0=-70.0).paint("all", leak=Leak()), 2)
    kinds = (
        AMPA(),
        NMDA(mg=0.8),
        GABAA(),
        GABAB(bound=0.3, k2=0.02, kd=1e-2),
        ExpSyn(),
        Exp2Syn(),
        Alpha(),
        ShortTerm(),
    )
    for k, kind in enumerate(kinds):
        at, weight = ("soma", 4e-4) if k % 2 else ("apical", np.linspace(1e-4, 4e-4, 4).reshape(2, 2))
        net = net.connect("in", "cell", kind, at=at, weight=weight, delay=1.0 + 0.13 * k)
    states = {
        "ampa": "g", "nmda": "a", "gabaa": "g", "gabab": "s", "expsyn": "g", "exp2syn": "a", "alpha": "g",
        "shortterm": "x",
    }  # fmt: skip
    run = {
        "t1": 15.0, "dt": 0.05,
        "inputs": [cx.Spikes("in", [[1.013, 4.27, 6.9, 7.41], [2.33, 9.051]])],
        "record": {"v": "cell", "tip": ("cell", cx.terminals())} | {k: f"in->cell.{k}.{x}" for k, x in states.items()},
    }  # fmt: skip
    return net.discretize(cx.PerBranch(2)), run, ("*",)


def delays() -> Case:
    """Spiking relays with a delay and a time constant per edge, thresholds, every surrogate."""
    relay = point().paint("all", hh=HH())
    target = ball(v0=-70.0).paint("all", leak=Leak(g=3e-4, e=-70.0))
    net = cx.Network().add("in", cx.SpikeSource(), 2).add("relay", relay, 2).add("target", target, 2)
    net = net.connect(
        "in", "relay", ExpSyn(), weight=8e-3, delay=[[0.9, 1.3], [2.1, 1.17]], surrogate=FastSigmoid(8.0)
    )
    for k, surrogate in enumerate((ArcTan(), Triangle(20.0), Gaussian(6.0))):
        kind = Exp2Syn(decay=cx.each("edge", 2.0 + 0.5 * k), e=(0.0, -80.0)[k % 2])
        net = net.connect(
            "relay", "target", kind, (None, cx.edges([[0, 1], [1, 0], [1, 1]]))[k % 2], at=("apical", "soma")[k // 2],
            weight=1e-3, delay=cx.each("edge", 0.8 + 0.11 * k), threshold=-15.0 + 10.0 * k, surrogate=surrogate,
            name=f"s{k}", in_flight=6,
        )  # fmt: skip
    run = {
        "t1": 9.0,
        "inputs": [cx.Spikes("in", [[0.53], [0.71]])],
        "record": {"relay": "relay", "target": "target", "g": "in->relay.expsyn.g", "b": "relay->target.s1.g"},
    }  # fmt: skip
    return net.discretize(cx.PerBranch(2)), run, ("*",)


def trains() -> Case:
    """Random spike trains: one rate per source, and a waveform, onto trees by random connections."""
    cell = cx.Cell(tree(6, 3), v0=-70.0).paint("all", leak=Leak(g=2e-4))
    net = cx.Network().add("a", cx.SpikeSource(), 4).add("b", cx.SpikeSource(), 3).add("cell", cell, 3)
    tau = cx.each("edge", 3.0)
    net = net.connect(
        "a", "cell", ExpSyn(tau=tau), cx.bernoulli(0.6, seed=2), cx.every_cv("basal"), weight=3e-4
    )
    net = net.connect("b", "cell", GABAA(), at="apical", weight=5e-4, delay=1.5, in_flight=12)
    wave = np.linspace(0.0, 900.0, 18).reshape(6, 3)
    run = {
        "t1": 15.0, "dt": 0.05,
        "inputs": [
            cx.Poisson("a", np.array([100.0, 200.0, 400.0, 600.0]), jax.random.key(1)),
            cx.Poisson("b", wave, jax.random.key(2), dt=3.0),
        ],
        "record": {"v": "cell", "g": "a->cell.expsyn.g"},
    }  # fmt: skip
    return net.discretize(cx.PerBranch(1)), run, ("*",)


def paired(rules: dict[str, Any]) -> cx.Network:
    """Sources "s" onto cells "b" by plastic synapses, and "kick", which makes each of these spike."""
    cell = point(v0=-70.0).paint("all", lif=LIF(refractory=1.02))
    net = cx.Network().add("s", cx.SpikeSource(), 3).add("kick", cx.SpikeSource(), 2).add("b", cell, 2)
    net = net.connect("kick", "b", ExpSyn(tau=0.5), cx.one_to_one(), weight=0.05)
    for k, (name, rule) in enumerate(rules.items()):
        weight = np.linspace(1e-4, 3e-4, 6).reshape(3, 2) if k else 2e-4
        net = net.connect(
            "s", "b", ExpSyn(), weight=weight, delay=1.0 + k, plasticity=rule, name=name, in_flight=8
        )
    return net


def pairs() -> list[Any]:
    """Spikes of both sides, in either order."""
    before = cx.Spikes("s", [[1.03, 8.12, 16.07], [4.41, 11.3], [2.02, 2.91, 14.2]])
    return [before, cx.Spikes("kick", [[3.07, 9.51, 17.9], [1.13, 12.04]])]


def plastic() -> Case:
    """Pairs and triplets of spikes; weights and traces."""
    rules = {"pairs": STDP(a_plus=0.05, a_minus=0.04), "triplets": TripletSTDP(a2_minus=0.05, a3_plus=0.08)}
    record = {"v": "b", "w": "s->b.pairs.w", "x": "s->b.pairs.x", "y": "s->b.pairs.y"}
    record |= {"triplets": "s->b.triplets.w", "r": "s->b.triplets.r", "o2": "s->b.triplets.o2"}
    run = {"t1": 24.0, "dt": 0.1, "inputs": pairs(), "record": record}
    return paired(rules).discretize(cx.PerBranch(1)), run, ("s->*", "b.*")


def rewarded() -> Case:
    """Pairs that are tagged, and a reward that comes later."""
    rule = RewardSTDP(a_plus=0.1, a_minus=0.08, rate=0.02, tau_tag=60.0)
    praise = cx.Reward("s->b.tagged", [0.0, 0.0, 1.0, 2.0, -1.0], dt=5.0)
    record = {"v": "b", "w": "s->b.tagged.w", "g": "s->b.tagged.g"}
    run = {"t1": 24.0, "dt": 0.1, "inputs": [*pairs(), praise], "record": record}
    return paired({"tagged": rule}).discretize(cx.PerBranch(1)), run, ("s->*", "b.*")


def gaps() -> Case:
    """Gap junctions between cells and between dendrites, beside a chemical synapse."""
    cell = ball(v0=-65.0).paint("all", leak=Leak(e=-65.0)).paint("soma", hh=HH())
    net = cx.Network().add("a", cell, 3).add("b", cell)
    net = net.connect(
        "a", "a", GapJunction(), cx.edges([[0, 1], [1, 2]]), at="apical", source="apical", weight=2e-3
    )
    net = net.connect("a", "b", GapJunction(), weight=cx.each("edge", 5e-4)).connect(
        "b", "a", Graded(e=-80.0)
    )
    run = {
        "t1": 7.0, "dt": 0.05,
        "inputs": [step("a", np.array([0.4, 0.0, 0.05]))],
        "record": {"a": "a", "b": "b", "tips": ("a", cx.terminals()), "s": "b->a.graded.s"},
    }  # fmt: skip
    return net.discretize(cx.PerBranch(2)), run, ("*",)


def points() -> Case:
    """Integrate-and-fire, adaptive and Izhikevich neurons that drive one another, and a cell with a dendrite."""
    net = cx.Network().add(
        "lif", point(v0=-70.0).paint("all", lif=LIF(g=cx.each("cell", 5e-5), refractory=2.02)), 3
    )
    net = net.add("adex", point(v0=-70.6).paint("all", adex=AdEx()), 2)
    net = net.add("izh", point(v0=-65.0).paint("all", izh=Izhikevich()), 2)
    net = net.add("cell", ball(v0=-70.0).paint("all", leak=Leak(e=-70.0)))
    net = net.connect("lif", "adex", ExpSyn(), weight=4e-4, delay=0.7, surrogate=FastSigmoid())
    net = net.connect("adex", "izh", ExpSyn(e=-80.0), weight=3e-4, delay=1.1).connect(
        "izh", "cell", AMPA(), at="apical"
    )
    net = net.connect("lif", "lif", GABAA(), cx.edges([[0, 1], [1, 2], [2, 0]]), weight=2e-4)
    run = {
        "t1": 20.0, "dt": 0.05,
        "inputs": [step("lif", np.array([0.06, 0.04, 0.02])), step("adex", 0.05), step("izh", np.array([0.126, 0.2]))],
        "record": {
            "lif": "lif", "adex": "adex", "izh": "izh", "cell": "cell", "left": "lif.soma.lif.left",
            "w": "adex.soma.adex.w", "u": "izh.soma.izh.u", "g": "lif->adex.expsyn.g",
        },
    }  # fmt: skip
    return net.discretize(cx.PerBranch(1)), run, ("*",)


def continued() -> Case:
    """The second half of a run: spikes on their way, noise, plastic weights and half-step gates go on."""
    relay = point().paint("all", hh=HH())
    net = cx.Network().add("in", cx.SpikeSource(), 2).add("relay", relay, 2)
    net = net.connect(
        "in", "relay", ExpSyn(), weight=2e-3, delay=[[3.0, 1.3], [2.1, 4.17]], plasticity=STDP(a_plus=0.05)
    )
    model = net.discretize(cx.PerBranch(1))
    inputs = [cx.Spikes("in", [[0.03, 3.1], [0.31]]), cx.Noise("relay", 0.02, 0.002, 2.0, jax.random.key(8))]
    first = cx.simulate(model, 0.8, inputs=inputs)
    record = {"v": "relay", "m": "relay.soma.hh.m", "g": "in->relay.expsyn.g", "w": "in->relay.expsyn.w"}
    return (
        model,
        {"t1": 5.0, "inputs": inputs, "record": record, "state": first.state, "continued": True},
        ("*",),
    )


# Tasks: the network, a batch of trials, the loss that is trained


def digits(single: bool) -> TaskCase:
    task = Digits(hidden=3, t1=4.0, window=1.0, epochs=1, batch=2)
    if single:
        task = task.but(t1=2.0, input_weight=1e-4, output_weight=1e-3)
    stage = task.stages()[0]
    return task, stage, task.trials(stage, 0)


def mnist(single: bool) -> TaskCase:
    """The network alone needs no data: images of noise are shown to it."""
    task = Mnist(hidden=2, window=1.0, batch=2)
    if single:
        task = task.but(output_weight=2e-3)
    shown = Digits(t1=2.0 if single else 4.0)
    stage = shown.stages()[0]
    batch = shown.but(batch=2).trials(stage, 0)
    noise = np.random.default_rng(0).uniform(0.0, 1.0, (2, 28, 28)).astype(np.float32)
    return task, stage, batch._replace(inputs={"image": noise})


def match(single: bool) -> TaskCase:
    task = Match(
        batch=4, excitatory=5, inhibitory=2, onset=1.0, stimulus=4.0, response=4.0, shortest=0.5, longest=4.5
    )
    if single:
        task = task.but(
            onset=0.2, stimulus=1.0, response=1.4, longest=0.7, input_weight=0.1, output_weight=0.1, logit=5.0
        )
    return task, task.stages()[0], task.trials(task.stages()[0], 0)


def evidence(single: bool) -> TaskCase:
    task = Evidence(excitatory=3, inhibitory=2, probability=0.7, length=10.0, response=1.0, batch=4)
    if single:
        task = task.but(length=2.0, output_weight=0.1, scale=5.0)
    return task, task.stages()[0], task.trials(task.stages()[0], 0)


def recall(single: bool) -> TaskCase:
    task = Recall(
        patterns=4, channels=6, bits=4, cells=4, inhibitory=2, batch=4, cue=8.0, shortest=3.0, delay=5.0, response=5.0,
        onset=2.0, reach=5.0, spread=0.3,
    )  # fmt: skip
    if single:
        task = task.but(
            onset=0.4, cue=2.6, shortest=0.2, delay=0.4, response=1.0, reach=1.4, input_weight=0.1, readout_weight=0.5,
            readout_scale=20.0,
        )  # fmt: skip
    return task, task.stages()[0], task.trials(task.stages()[0], 0)


def dendrite(single: bool) -> TaskCase:
    """In single precision the published loss: at a threshold itself rounding is magnified."""
    task = Dendrite(seeds=2, points=6, batch=6, dt=0.1)
    if single:
        task = task.but(thresholds=False, when=1.0)
    return task, task.stages()[-1], task.trials(task.stages()[-1], 3)


RUNS: tuple[Callable[[], Case], ...] = (
    passive, squid, pyramid, tree_staggered, tree_implicit, hay, ions, markov, ca1, papers, clamps,
    stimuli, graded, rates, synapses, delays, trains, plastic, rewarded, gaps, points, continued,
)  # fmt: skip
TASKS: tuple[Callable[[bool], TaskCase], ...] = (digits, mnist, match, evidence, recall, dendrite)
NAMES = tuple(case.__name__ for case in (*RUNS, *TASKS))

# What is stored


def chosen(model: cx.Model, globs: tuple[str, ...]) -> dict[str, jax.Array]:
    """Return the parameters that match; every glob must match one."""
    for glob in globs:
        assert any(fnmatchcase(path, glob) for path in model.params), f"no parameter matches {glob}"
    return {k: x for k, x in model.params.items() if any(fnmatchcase(k, glob) for glob in globs)}


def relative(gradient: dict[str, jax.Array], params: dict[str, jax.Array]) -> Found:
    """Return the gradient per relative change of each parameter; of one that is 0, per unit."""
    return {
        f"gradient {k}": np.asarray(g * jnp.where(params[k] == 0, 1, abs(params[k])))
        for k, g in gradient.items()
    }


def weighted(records: dict[str, jax.Array]) -> jax.Array:
    """Return the sum over recordings of the mean square, in units of the largest value, with random weights."""
    total = jnp.zeros(())
    for k, (_, x) in enumerate(sorted(records.items())):
        weight = np.random.default_rng(k).uniform(0.5, 1.5, x.shape)
        most = jax.lax.stop_gradient(jnp.abs(x).max())
        total += jnp.mean(jnp.asarray(weight, x.dtype) * (x / jnp.where(most == 0.0, 1.0, most)) ** 2)
    return total


def sampled(x: Any) -> np.ndarray:
    """Return every tenth sample and the last."""
    x = np.asarray(x)
    return x[np.unique([*range(0, len(x), EVERY), len(x) - 1])]


def of_run(name: str, single: bool) -> Found:
    """Run one case; return what is stored of it.

    In double precision the recordings are those of a plain run, in single precision those of the differentiated one.
    """
    model, options, globs = next(case for case in RUNS if case.__name__ == name)()
    if single:
        options = options | {"t1": min(options["t1"], SINGLE.get(name, np.inf))}
    # A state must be an argument: one that `jit` closes over counts as known, and then is not.
    fixed = {k: x for k, x in options.items() if k != "state"}

    def loss(params: dict[str, jax.Array], state: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
        records = cx.simulate(model.replace(params), **fixed, state=state).records
        return weighted(records), records

    differentiated = jax.jit(jax.value_and_grad(loss, has_aux=True))
    params = chosen(model, globs)
    (value, records), gradient = differentiated(params, options.get("state"))
    if not single:
        records = cx.simulate(model, **options).records
    found = {f"recording {k}": sampled(x) for k, x in records.items()} | {"loss": np.asarray(value)}
    return found | relative(gradient, params)


def of_task(name: str, single: bool) -> Found:
    """Show one batch of a task to its network; return the loss and its gradient by what is trained."""
    task, stage, batch = next(case for case in TASKS if case.__name__ == name)(single)
    model = task.free().widened(task.network())

    def loss(params: dict[str, jax.Array]) -> jax.Array:
        return task.loss(model.replace(params), batch, stage)[0]

    params = chosen(model, tuple(task.free().globs))
    value, gradient = jax.jit(jax.value_and_grad(loss))(params)
    return {"loss": np.asarray(value)} | relative(gradient, params)


def traces(name: str, single: bool) -> Found:
    """Return what is stored of one case, in double or in single precision."""
    with jax.enable_x64(not single):
        of = of_task if name in {case.__name__ for case in TASKS} else of_run
        found = of(name, single)
    assert all(np.isfinite(x).all() for x in found.values()), name
    assert {x.dtype for x in found.values()} == {np.dtype(np.float32 if single else np.float64)}, name
    return found


def everything(names: Iterable[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield "case precision recording" and the array, for these cases in both precisions."""
    for name in names:
        for single in (False, True):
            start = time.perf_counter()
            found = traces(name, single)
            print(
                f"{name:16s} {'single' if single else 'double'} {time.perf_counter() - start:6.1f} s",
                flush=True,
            )
            yield from ((f"{name} {'single' if single else 'double'} {k}", x) for k, x in found.items())


def main(path: str, *only: str) -> None:
    """Write the file."""
    kept: Found = {}
    if only:
        with np.load(path, allow_pickle=False) as file:
            kept = {key: x for key, x in file.items() if key.split(" ")[0] not in only}
    np.savez_compressed(path, **kept | dict(everything(only or NAMES)))
    print(f"{path}: {len(only or NAMES)} models, {Path(path).stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main(*sys.argv[1:])
