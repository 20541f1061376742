"""`to_neuron`: what the folder holds, what is refused, and, where NEURON is installed, that both simulators agree."""

import importlib.util
import json
import os
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.formats.neuron.drives import on_grid
from cajax.mech import (
    HH,
    LIF,
    NMDA,
    STDP,
    Channel,
    Coupled,
    Diffusive,
    Exp2Syn,
    ExpSyn,
    GapJunction,
    Gate,
    Graded,
    Instant,
    Leak,
    Param,
    Pump,
    Reversal,
    Scheme,
    ShortTerm,
    hay2011,
    param,
)
from cajax.tasks.dendrite import Dendrite

MV = 0.01
with_neuron = pytest.mark.skipif(importlib.util.find_spec("neuron") is None, reason="NEURON is not installed")


def ball(**cell) -> cx.Cell:
    return cx.Cell(cx.ball_and_stick(10.0, 100.0, 1.0), **cell)


def spiking() -> cx.Model:
    return ball().paint("all", hh=HH()).discretize(cx.PerBranch(2))


def read(folder, name="model.json"):
    return json.loads((folder / name).read_text())


def pyramidal():
    cell = cx.Cell(cx.pyramidal(seed=0)).paint("all", hh=HH())
    return cell.discretize(cx.MaxLength(60.0)), [cx.IClamp("soma", 5.0, 40.0, 3.0)], 50.0


def calcium():
    ions = {"na": Reversal(50.0), "k": Reversal(-85.0), "ca": hay2011.CaDynamics()}
    cell = ball(v0=-75.0, temperature=34.0).paint("all", leak=Leak(g=3e-5, e=-90.0), **ions)
    cell = cell.paint("all", sk=hay2011.SK(g=5e-3), cahva=hay2011.CaHVA(g=5e-4), calva=hay2011.CaLVA())
    cell = cell.paint("soma", nats=hay2011.NaTs2(g=0.98), kv=hay2011.Kv31(g=0.3), ih=hay2011.Ih())
    return cell.discretize(cx.PerBranch(3)), [cx.IClamp("soma", 5.0, 60.0, 0.3)], 70.0


def ring():
    """Ten cells; excitation to the next, inhibition and NMDA to the third, and two trains of events from outside."""
    next_one, third = ([(i, (i + k) % 10) for i in range(10)] for k in (1, 3))
    net = cx.Network().add("a", ball().paint("all", hh=HH()), 10).add("src", cx.SpikeSource(), 2)
    net = net.connect("a", "a", ExpSyn(), cx.edges(next_one), weight=0.05, delay=2.0)
    net = net.connect("a", "a", Exp2Syn(e=-80.0), cx.edges(third), at="apical", weight=0.01, delay=1.5)
    net = net.connect("a", "a", NMDA(), cx.edges(third), weight=0.002, delay=1.5)
    net = net.connect("src", "a", ShortTerm(), cx.edges([(0, 0), (1, 5)]), weight=0.1, delay=1.0)
    spikes = cx.Spikes("src", [[1.0, 4.0, 10.0, 30.0], [20.0, 25.0, 26.0, 31.0]])
    return net.discretize(cx.PerBranch(1)), [spikes], 40.0


def dendrite():
    """The task's neurons; with radii, lengths, resistivities and conductances of every control volume as if trained."""
    model = Dendrite(seeds=2).network()
    rng = np.random.default_rng(0)
    own = {
        k: np.asarray(x) * rng.uniform(0.8, 1.2, np.shape(x)) for k, x in model.params.items() if np.ndim(x)
    }
    tips = [("neuron", cx.at(b, 1.0)) for b in (1, 2)]
    return model.replace(own), [cx.IClamp(x, 0.1, 0.9, 0.15) for x in tips], 8.0


def trained():
    """The task's neurons after some steps of their training, as `cajax train dendrite` takes them."""
    task = Dendrite(seeds=2, points=6, batch=6, steps=6, dt=0.1)
    stage, start = task.stages()[0], task.network()
    model, _ = cx.fit(
        lambda model, batch: task.loss(model, batch, stage)[0], start, task.free(), task.optimizer(stage), 6,
        batches=lambda step: task.trials(stage, step), progress=False,
    )  # fmt: skip
    moved = [float(np.abs(model.params[k] / x - 1.0).max()) for k, x in start.params.items() if np.ndim(x)]
    assert max(moved) > 0.02, "nothing was trained"
    tips = [("neuron", cx.at(b, 1.0)) for b in (1, 2)]
    return model, [cx.IClamp(x, 0.1, 0.9, 0.15) for x in tips], 8.0


class Kinetic(Channel):
    """Every kind of kinetics."""

    g: Param = param(1e-3, "S/cm2")
    ion = "k"

    def gates(self, v):
        return {
            "m": Gate.relax(jax.nn.sigmoid(v / 9.0), 2.0 + 0.0 * v),
            "s": Scheme.of(
                {
                    "C <-> O": (jnp.exp(v / 30.0), 1.0 + 0.0 * v),
                    "O -> I": 0.1 + 0.0 * v,
                    "I -> C": 0.05 + 0.0 * v,
                }
            ),
            "q": Instant(jax.nn.sigmoid((v + 40.0) / 9.0)),
            "w": Coupled(
                {"a": 0.1 + 0.0 * v, "b": 0.0 * v},
                lambda x: {
                    "a": 0.1 * (jax.nn.sigmoid(v / 10.0) - x["a"] * x["b"]),
                    "b": x["a"] - x["b"] ** 2,
                },
            ),
        }

    def current(self, v, m, O, q, a, ek):
        return self.g * m * O * (q + a) * (v - ek)


def kinds():
    """Every kind of kinetics, a pump, a mechanism on a part of a branch, one painted twice."""
    ions = {"k": Reversal(-77.0), "ca": Pump(vmax=2e-3, depth=1.0)}
    cell = (
        ball(temperature=22.0)
        .label(tip=cx.path_distance() > 60.0)
        .paint("all", hh=HH(), own=Kinetic(), **ions)
    )
    cell = cell.paint(
        "all", eca=hay2011.CaLVA(g=1e-4), sk=hay2011.SK(g=1e-3), l1=Leak(g=1e-5), l2=Leak(g=2e-5, e=-50.0)
    )
    cell = cell.paint("tip", im=hay2011.Im(g=1e-3))
    return cell.discretize(cx.PerBranch(4)), [cx.IClamp("soma", 2.0, 20.0, 0.8)], 25.0


def joined():
    """A graded synapse and gap junctions in a network of three."""
    net = cx.Network().add("a", ball().paint("all", hh=HH()), 3)
    net = net.connect("a", "a", Graded(), cx.edges([(0, 1), (2, 1)]), weight=0.002)
    net = net.connect("a", "a", GapJunction(), cx.edges([(1, 2)]), weight=0.002)
    return net.discretize(cx.PerBranch(3)), [cx.IClamp(("a", cx.at(0, 0.5)), 1.0, 5.0, [0.3, 0.0, 0.0])], 20.0


def electrodes():
    """Waveforms, a voltage clamp, a dynamic clamp, a step off the grid; a graded synapse and a gap junction."""
    net = cx.Network().add("a", ball().paint("all", hh=HH()), 3)
    net = net.connect("a", "a", Graded(), cx.edges([(0, 1)]), weight=0.002)
    net = net.connect("a", "a", GapJunction(), cx.edges([(1, 2)]), weight=0.002)
    wave = np.sin(0.02 * np.arange(1500))
    tip, middle, soma = (("a", cx.at(b, x)) for b, x in ((1, 1.0), (1, 0.5), (0, 0.5)))
    inputs = [
        cx.Current(soma, 0.3 * wave[:, None] * np.array([0.0, 1.0, 0.0]), 0.02),
        cx.VClamp(tip, -65.0 + 20.0 * wave, 0.02, rs=50.0),
        cx.Conductance(middle, 1e-3 * (1.0 + wave), 0.02, e=-20.0),
        cx.IClamp(soma, 1.01, 5.003, 0.2),
    ]
    return net.discretize(cx.PerBranch(3)), inputs, 20.0


@with_neuron
@pytest.mark.slow
@pytest.mark.parametrize(
    "case", [pyramidal, calcium, ring, dendrite, trained, kinds, electrodes], ids=lambda f: f.__name__
)
def test_neuron_does_the_same(case, tmp_path):
    model, inputs, t1 = case()
    found = cx.to_neuron(model, tmp_path / "export", inputs, t1=t1)
    assert found.report.approximated == []
    assert found.difference is not None, found.why
    assert found.difference <= MV
    proof = read(tmp_path / "export", "proof.json")
    assert proof["difference_mV"] == found.difference
    for name, x in proof["traces"].items():
        ours, theirs = np.array(x["cajax"]), np.array(x["neuron"])
        assert len(ours) == round(t1 / 0.025) + 1
        np.testing.assert_allclose(np.abs(ours - theirs).max(), x["difference_mV"])
        assert np.ptp(ours) > 1.0, f"nothing happens at {name}"
    assert max(np.ptp(x["cajax"]) for x in proof["traces"].values()) > 60.0, "no cell spikes"


def test_the_folder_holds_the_model(tmp_path):
    folder = tmp_path / "export"
    found = cx.to_neuron(spiking(), folder, [cx.IClamp("soma", 1.0, 2.0, 0.5)], t1=5.0, proof=False)
    assert sorted(x.name for x in folder.iterdir()) == [
        "cajax.json",
        "mod",
        "model.json",
        "report.json",
        "run.py",
    ]
    assert [x.name for x in (folder / "mod").iterdir()] == ["cx_HH.mod"]
    model = read(folder)
    assert [(x["name"], x["nseg"], x["parent"]) for x in model["sections"]] == [
        ("soma[0]", 2, None),
        ("apical[0]", 2, [0, 1.0]),
    ]
    assert model["segments"] == [[0, 0], [0, 1], [1, 0], [1, 1]]
    (hh,) = model["densities"]
    assert (hh["name"], hh["cvs"], hh["start"]) == ("cx_HH", [0, 1, 2, 3], {})
    assert hh["values"] == pytest.approx({k: float(x) for k, x in HH().params().items()})
    assert model["stimuli"] == [{"cv": 1, "name": "IClamp", "values": {"delay": 1.0, "dur": 2.0, "amp": 0.5}}]
    assert (model["steps"], model["dt"], model["v_init"], model["cm"], model["celsius"]) == (
        200,
        0.025,
        -65.0,
        1.0,
        None,
    )
    assert len(read(folder, "cajax.json")["traces"]["soma"]) == 201
    assert read(folder, "report.json") == {"exact": found.report.exact, "approximated": []}
    assert (found.difference, found.why) == (None, "not asked for")
    compile((folder / "run.py").read_text(), "run.py", "exec")
    assert os.listdir(tmp_path) == ["export"]  # nothing is left beside it


def test_values_of_every_control_volume_are_written(tmp_path):
    model, inputs, _ = dendrite()
    cx.to_neuron(model, tmp_path / "export", inputs, t1=1.0, proof=False)
    found = read(tmp_path / "export")
    (hh,) = found["densities"]
    order = model.structure.channels[0].fields["gna"].assemble(model.params)
    np.testing.assert_allclose(hh["values"]["gna"], np.asarray(order, float))
    assert len(found["sections"]) == 24  # lengths differ from volume to volume
    assert {x["nseg"] for x in found["sections"]} == {1}


def test_connections_are_written(tmp_path):
    model, inputs, _ = ring()
    cx.to_neuron(model, tmp_path / "export", inputs, t1=5.0, proof=False)
    found = read(tmp_path / "export")
    assert [x["name"] for x in found["points"]] == ["ExpSyn", "Exp2Syn", "cx_NMDA", "cx_ShortTerm"]
    near, _, _, outside = found["connections"]
    assert (near["delay"], near["threshold"]) == (2.0, -20.0)
    assert near["weight"] == pytest.approx(0.05)
    assert len(near["edges"]) == 10
    assert outside["sources"] is None
    assert outside["trains"] == [[1.0, 4.0], []]  # what comes in 5 ms


def test_moments_between_steps_are_called_approximate(tmp_path):
    model, inputs, _ = ring()
    late = model.replace({"a->a.expsyn.delay": np.float32(2.01)})
    report = cx.to_neuron(late, tmp_path / "export", inputs, t1=2.0, proof=False).report
    assert len(report.approximated) == 1
    assert "'a->a.expsyn': events that arrive within a step" in report.approximated[0]
    assert on_grid([0.025, 1.0], 0.025)
    assert not on_grid([0.03], 0.025)


def test_gap_junctions_by_pointer_are_called_approximate(tmp_path):
    model, _, _ = electrodes()
    report = cx.to_neuron(model, tmp_path / "export", t1=1.0, proof=False, pointers=True).report
    assert ["gap junctions" in x for x in report.approximated] == [True]
    assert "CajaxGap" in read(tmp_path / "export")["mechanisms"]


def test_the_users_model_still_runs_in_single_precision(tmp_path):
    model = spiking()
    before = np.asarray(cx.simulate(model, t1=1.0, record={"v": "soma"})["v"])
    cx.to_neuron(model, tmp_path / "export", t1=1.0, proof=False)
    jax.clear_caches()
    np.testing.assert_array_equal(np.asarray(cx.simulate(model, t1=1.0, record={"v": "soma"})["v"]), before)


def test_strict_refuses_before_anything_is_written(tmp_path):
    model, inputs, _ = ring()
    late = model.replace({"a->a.expsyn.delay": np.float32(2.01)})
    with pytest.raises(cx.CajaxError, match="events that arrive within a step"):
        cx.to_neuron(late, tmp_path / "export", inputs, t1=2.0, proof=False, strict=True)
    assert list(tmp_path.iterdir()) == []
    cx.to_neuron(model, tmp_path / "export", inputs, t1=2.0, proof=False, strict=True)


def plastic():
    net = cx.Network().add("a", ball().paint("all", hh=HH()), 2)
    return net.connect("a", "a", ExpSyn(), cx.edges([(0, 1)]), plasticity=STDP()).discretize(cx.PerBranch(1))


def two_thresholds():
    net = cx.Network().add("a", ball().paint("all", hh=HH()), 2)
    net = net.connect("a", "a", ExpSyn(), cx.edges([(0, 1)]), threshold=0.0)
    return net.connect("a", "a", NMDA(), cx.edges([(0, 1)]), threshold=-10.0).discretize(cx.PerBranch(1))


def point():
    return cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", lif=LIF()).discretize(cx.PerBranch(1))


def spreading():
    return ball(temperature=22.0).paint("all", hh=HH(), ca=Diffusive()).discretize(cx.PerBranch(2))


@pytest.mark.parametrize(
    ("build", "options", "says"),
    [
        (plastic, {}, "the plasticity of 'a->a.expsyn' is not written to NEURON"),
        (two_thresholds, {}, "NEURON has one threshold per place"),
        (point, {}, "'LIF' is reset at its threshold"),
        (spreading, {}, "diffuses along the cell"),
        (
            spiking,
            {"inputs": [cx.TwoElectrode("soma", -50.0)]},
            "TwoElectrode at 'soma' is not written to NEURON",
        ),
        (
            spiking,
            {"inputs": [cx.Noise("soma", 0.0, 0.1, 2.0, jax.random.key(0))]},
            "Noise at 'soma' is not written",
        ),
        (spiking, {"record": {"s": "axxon"}}, "no region 'axxon'"),
        (spiking, {"record": {}}, "needs a voltage to compare"),
        (spiking, {"t1": -1.0}, "to_neuron t1"),
        (spiking, {"proof": "yes"}, "to_neuron proof"),
        (lambda: ball(), {}, "to_neuron needs a Model"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is(build, options, says, tmp_path):
    with pytest.raises(cx.CajaxError, match=re.escape(says)):
        cx.to_neuron(build(), tmp_path / "export", **{"t1": 1.0, "proof": False, **options})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"folder": 5}, "to_neuron folder must be the path"),
        ({"folder": "a\0b"}, "holds a zero character"),
        ({"inputs": None}, "inputs must be a list"),
        ({"inputs": ["step"]}, "inputs must be clamps"),
        ({"t1": 1e12}, "steps"),
        ({"t1": "soon"}, "is not a number with a unit"),
        ({"dt": 0.0}, "must be positive"),
        ({"record": ["soma"]}, "to_neuron record must be a dictionary"),
        ({"python": ""}, "to_neuron python must be the path"),
        ({"pointers": 3}, "must be True or False"),
    ],
)
def test_arguments_of_a_wrong_kind_are_one_line(options, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(cx.CajaxError, match=re.escape(says)):
        cx.to_neuron(spiking(), **{"folder": "export", "t1": 1.0, "proof": False, **options})
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    with pytest.raises(cx.CajaxError, match="exists already, and nothing is overwritten"):
        cx.to_neuron(spiking(), folder, t1=1.0, proof=False)
    assert list(folder.iterdir()) == []
    with pytest.raises(cx.CajaxError, match="is no folder"):
        cx.to_neuron(spiking(), tmp_path / "none" / "export", t1=1.0, proof=False)


def test_an_interpreter_that_cannot_is_named(tmp_path):
    with pytest.raises(cx.CajaxError, match=r"cannot (compile the mechanisms|run the model)"):
        cx.to_neuron(spiking(), tmp_path / "export", t1=1.0, python=tmp_path / "nowhere" / "python")
    assert list(tmp_path.iterdir()) == []
