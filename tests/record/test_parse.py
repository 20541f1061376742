import numpy as np
import pytest

import cajax as cx
from cajax.base.errors import ProtocolError, RegionError, UnknownNameError
from cajax.record import ChannelCurrent, ChannelState, Signal, SpikeTrain, Voltage, parse

from ..helpers import active, joined, passive, raises


def record(model, place):
    return cx.simulate(model, 0.1, 0.05, record={"x": place})["x"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("soma", Voltage("soma")),
        ("soma.v", Voltage("soma")),
        ("soma.kd.n", ChannelState("soma", "kd", "n")),
        ("soma.spikes", SpikeTrain("soma")),
        (cx.Probe("soma", "kd.i"), ChannelCurrent("soma", "kd")),
    ],
)
def test_text_in_a_cell(text, meant):
    assert parse(active().structure, text) == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("b", Voltage("b")),
        ("b.apical", Voltage("b.apical")),
        ("b.leak.i", ChannelCurrent("b", "leak")),
        ("b.apical.leak.i", ChannelCurrent("b.apical", "leak")),
        ("b.spikes", SpikeTrain("b")),
        ("b.apical.spikes", SpikeTrain("b.apical")),
        ("a->b.graded.s", Signal("a->b.graded", "s")),
    ],
)
def test_text_in_a_network(text, meant):
    assert parse(joined().structure, text) == meant


def test_shapes_follow_the_place():
    assert record(active(), "soma").shape == (3,)
    assert record(active(), cx.every_cv()).shape == (3, 4)
    assert record(active(), cx.tag("apical")).shape == (3,)
    assert record(joined(), "b").shape == (3, 3)
    assert record(joined(), ("b", cx.every_cv("apical"))).shape == (3, 3, 2)
    assert record(joined(), cx.Probe(("b", cx.every_cv()), "leak.i")).shape == (3, 3, 4)
    assert record(joined(), "a->b.graded.s").shape == (3, 2)


def test_values():
    """A gate at rest, and a current that is g (v - e)."""
    model = passive().discretize(cx.PerBranch(1))
    sol = cx.simulate(model, 0.1, 0.05, record={"v": "soma", "i": "soma.leak.i"})
    np.testing.assert_allclose(sol["i"], 1e-4 * (np.asarray(sol["v"]) + 70.0), rtol=1e-12)
    from cajax.mech import Kd

    n = record(active(), "soma.kd.n")
    assert float(n[0]) == pytest.approx(float(Kd().gates(np.float64(-65.0))["n"].inf), rel=1e-12)


def test_the_current_of_one_ion():
    """What each ion carries sums to the whole; a channel of one ion carries all of it; the simulation is the same."""
    from cajax.mech import HH, Reversal
    from cajax.mech.library.hay2011 import NaTa

    cell = cx.Cell(cx.cylinder(20.0, 10.0), v0=-65.0).paint("all", hh=HH(), nat=NaTa(), na=Reversal(50.0))
    model = cell.discretize(cx.PerBranch(1))
    names = ["hh.i", "hh.ina", "hh.ik", "hh.il", "nat.i", "nat.ina"]
    clamp = cx.IClamp("soma", delay=0.1, dur=1.0, amp=1.0)
    sol = cx.simulate(model, 2.0, 0.05, [clamp], record={n: f"soma.{n}" for n in names} | {"v": "soma"})
    np.testing.assert_allclose(
        sol["hh.ina"] + sol["hh.ik"] + sol["hh.il"], sol["hh.i"], rtol=1e-9, atol=1e-15
    )
    np.testing.assert_array_equal(sol["nat.ina"], sol["nat.i"])
    np.testing.assert_allclose(sol["hh.il"], 3e-4 * (np.asarray(sol["v"]) + 54.3), rtol=1e-12)
    np.testing.assert_array_equal(sol["v"], cx.simulate(model, 2.0, 0.05, [clamp])["v"])
    raises(lambda: record(model, "soma.nat.ik"), "'ik'", "'ina'", kind=UnknownNameError)


MISTAKES = {
    "mechanism": (active, "soma.kdd.n", UnknownNameError, ("'kdd'", "'kd'")),
    "gate": (active, "soma.kd.m", UnknownNameError, ("'m'", "'n'", "'i'")),
    "no variable": (active, "soma.kd", ProtocolError, ("soma.na.m",)),
    "no such word": (active, "soma.w", ProtocolError, ("soma.w", "spikes")),
    "not there": (active, "apical.kd.n", ProtocolError, ("kd", "not painted")),
    "region": (active, "apicl", UnknownNameError, ("'apical'",)),
    "empty": (active, "axon", RegionError, ("'axon'",)),
    "number": (active, 0, RegionError, ("location",)),
    "population": (joined, "c", UnknownNameError, ("'c'", "'a'")),
    "bare region": (joined, "soma", UnknownNameError, ("population 'soma'",)),
    "bare place": (joined, cx.root(), ProtocolError, ("population",)),
    "projection": (joined, "a->c.graded.s", UnknownNameError, ("'a->b.graded'",)),
    "signal": (joined, "a->b.graded.x", UnknownNameError, ("'x'", "'s'")),
    "wrong mechanism": (joined, "b.soma.na.m", UnknownNameError, ("b.na",)),
    "too long": (joined, "b.soma.leak.i.x", ProtocolError, ("b.soma.leak.i.x",)),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(mistake):
    model, place, kind, parts = MISTAKES[mistake]
    raises(lambda: record(model(), place), *parts, kind=kind)
