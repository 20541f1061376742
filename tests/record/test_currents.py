"""Currents that must add up: clamps, membranes, capacitances and synapses against laws and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import HH, ExpSyn, GapJunction, Graded, Leak
from cajax.record import CapacitiveCurrent, ClampCurrent, MembraneCurrent, SynapticCurrent

from ..helpers import passive

METHODS = [cx.Staggered(), cx.BackwardEuler()]


def cell():
    return cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak()).paint("soma", hh=HH())


@pytest.mark.parametrize("method", METHODS)
def test_membrane_currents_sum_to_what_electrodes_bring_in(method):
    clamps = [cx.IClamp("soma", 0.0, 9.0, 0.3), cx.Current("apical", np.linspace(0.0, 0.2, 50), 0.1)]
    record = {"m": MembraneCurrent(cx.every_cv())}
    sol = cx.simulate(cell().discretize(cx.PerBranch(3)), 4.0, 0.05, clamps, record, method)
    brought = 0.3 + np.interp(np.asarray(sol.ts) - 0.025, np.arange(50) * 0.1, np.linspace(0.0, 0.2, 50))
    np.testing.assert_allclose(sol["m"].sum(axis=1)[1:], brought[1:], rtol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_an_ideal_clamp_of_a_passive_cell(method):
    """At rest under a clamp the current is that of the input conductance, whatever the series resistance."""
    model = passive().discretize(cx.PerBranch(5))
    run = lambda rs: cx.simulate(  # noqa: E731
        model, 200.0, 0.1, [cx.VClamp("soma", -60.0, rs=rs)], {"i": "soma.clamp", "v": "soma"}, method
    )
    good, ideal = run(1e-3), run(1e-9)
    leak = 1e-4 * 1e-2 * np.asarray(model.area)
    sol = cx.simulate(model, 200.0, 0.1, [cx.VClamp("soma", -60.0)], {"v": cx.every_cv()}, method)
    expected = float(leak @ (np.asarray(sol["v"])[-1] + 70.0))
    assert float(good["i"][-1]) == pytest.approx(expected, rel=1e-6)
    assert float(ideal["i"][-1]) == pytest.approx(expected, rel=1e-5)


def test_a_clamp_in_single_precision():
    """g (e − v) of an electrode of 1 kΩ would be wrong by a fifth; the balance of charge is right to four digits."""

    def last(dtype):
        with jax.enable_x64(dtype == "float64"):
            sol = cx.simulate(
                cell().discretize(cx.PerBranch(3)),
                5.0,
                0.025,
                [cx.VClamp("soma", -20.0)],
                {"i": "soma.clamp"},
            )
            return np.asarray(sol["i"], float)

    double, single = last("float64"), last("float32")
    np.testing.assert_allclose(single[1:], double[1:], rtol=2e-3, atol=2e-3)


def test_a_current_source_beside_a_clamp_is_not_counted():
    model = cell().discretize(cx.PerBranch(2))
    clamp = cx.VClamp("soma", -30.0, rs=1e-6)
    alone = cx.simulate(model, 3.0, 0.05, [clamp], {"i": "soma.clamp"})["i"]
    both = cx.simulate(model, 3.0, 0.05, [clamp, cx.IClamp("soma", 0.0, 9.0, 0.5)], {"i": "soma.clamp"})["i"]
    np.testing.assert_allclose(both[1:], alone[1:] - 0.5, rtol=1e-5)


def test_two_electrodes_pass_what_the_amplifier_drives():
    model = cell().discretize(cx.PerBranch(2))
    clamp = cx.TwoElectrode("soma", v=-30.0)
    sol = cx.simulate(model, 3.0, 0.005, [clamp], {"i": "soma.clamp", "m": MembraneCurrent(cx.every_cv())})
    np.testing.assert_allclose(sol["m"].sum(axis=1)[1:], sol["i"][1:], rtol=1e-8)


def test_capacitive_current_is_c_dv_dt():
    """Between two samples of a small step the mean of both ends is C dv/dt."""
    model = cell().discretize(cx.PerBranch(2))
    record = {"c": CapacitiveCurrent("soma"), "v": "soma"}
    sol = cx.simulate(model, 5.0, 0.0025, [cx.IClamp("soma", 0.0, 9.0, 0.3)], record)
    c = 1e-5 * float(model.area[model.structure.sites("soma")])
    slope = c * np.diff(np.asarray(sol["v"])) / 0.0025
    middle = 0.5 * np.asarray(sol["c"][1:] + sol["c"][:-1])
    assert np.abs(middle - slope)[5:].max() < 2e-3 * np.abs(slope).max()


def test_synaptic_currents():
    net = (
        cx.Network()
        .add("a", cell(), 2)
        .add("b", passive(), 3)
        .connect("a", "b", Graded(e=0.0), weight=2e-3)
        .connect("a", "b", Graded(e=-80.0, threshold=-60.0), weight=1e-3, name="inh")
        .connect("a", "b", ExpSyn(), weight=1e-3)
        .connect("b", "b", GapJunction(), rule=cx.edges([[0, 1]]), weight=1e-3)
        .discretize(cx.PerBranch(1))
    )
    record = {"v": "b", "all": "b.synaptic", "m": MembraneCurrent(("b", cx.every_cv()))}
    for name in ("graded", "inh", "expsyn"):
        path = f"a->b.{name}"
        record |= {
            name: SynapticCurrent("b", path),
            f"{name}.i": f"{path}.current",
            f"{name}.g": f"{path}.conductance",
        }
    sol = cx.simulate(net, 20.0, 0.05, [cx.IClamp("a", 1.0, 15.0, 0.5)], record)
    np.testing.assert_allclose(sol["all"], sol["graded"] + sol["inh"] + sol["expsyn"], rtol=1e-12)
    for name, e in (("graded", 0.0), ("inh", -80.0), ("expsyn", 0.0)):
        np.testing.assert_allclose(sol[f"{name}.i"], sol[f"{name}.g"] * (sol["v"] - e), rtol=1e-12)
        np.testing.assert_allclose(sol[name], sol[f"{name}.i"], rtol=1e-12)
    assert float(jnp.abs(sol["expsyn"]).max()) > 1e-3
    # No electrode is on "b": over all its cells, joined by a gap junction, nothing comes in.
    assert float(jnp.abs(sol["m"].sum(axis=(1, 2))).max()) < 1e-12


def test_metered_runs_restart_from_any_state():
    model = cell().discretize(cx.PerBranch(2))
    clamp = cx.VClamp("soma", -30.0)
    half = cx.simulate(model, 1.0, 0.05, [clamp], {"v": "soma"})
    rest = cx.simulate(
        model, 1.0, 0.05, [clamp], {"v": "soma", "i": ClampCurrent("soma")}, state=half.state, continued=True
    )
    whole = cx.simulate(model, 2.0, 0.05, [clamp], {"v": "soma", "i": ClampCurrent("soma")})
    np.testing.assert_allclose(rest["v"], whole["v"][20:], rtol=1e-12)
    np.testing.assert_allclose(rest["i"][1:], whole["i"][21:], rtol=1e-9)
