"""Energy: every current found again in the balance of charge, and ATP and spikes against sums written out by hand."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.analysis.energy import (
    ATP_PER_SPIKE,
    CHARGES_PER_PC,
    Energy,
    Flow,
    energy,
    flows,
    in_chunks,
    recordings,
)
from cajax.engine.physics import bind
from cajax.mech import (
    HH,
    LIF,
    STDP,
    CaL,
    Channel,
    ExpSyn,
    Gate,
    Graded,
    Kd,
    Leak,
    Na,
    Param,
    Rate,
    Reversal,
    param,
)
from cajax.mech.library.hay2011 import NaTa

from ..tasks.tiny import Tiny, trained

TASK = Tiny(batch=2, t1=8.0)


@dataclass(frozen=True)
class Zoo(Tiny):
    """Cells of two shapes with channels of every kind, reached by synapses of every kind."""

    def network(self) -> cx.Model:
        def cell(shape: cx.Morphology) -> cx.Cell:
            return (
                cx.Cell(shape, v0=-65.0)
                .paint("all", leak=Leak(g=1e-4, e=-65.0), na=Na(), kd=Kd(), cal=CaL())
                .paint("soma", hh=HH(gna=0.02), nat=NaTa(g=0.01))
                .paint("soma", sodium=Reversal(50.0, species="na"))
            )

        cells = [cell(cx.ball_and_stick()), cell(cx.pyramidal(0, tips=4, stems=1, scale=0.3, axon=False))]
        eye = cx.Cell(cx.cylinder(10.0, 5.0), v0=-65.0).paint("all", leak=Leak(g=3e-4, e=-65.0))
        net = cx.Network().add("eyes", eye, 2).add("cells", cells)
        delays = {"delay": cx.each("edge", np.array([[0.5, 1.0], [1.5, 2.0]]))}
        for name, synapse, options in (
            ("graded", Graded(e=0.0, k=1.0, threshold=-50.0), {}),
            ("sparse", Graded(e=-80.0, threshold=-60.0), {"rule": cx.edges([[0, 1], [1, 1], [0, 0]])}),
        ):
            net = net.connect("eyes", "cells", synapse, weight=2e-2, name=name, **options)
        net = net.connect("cells", "cells", ExpSyn(tau=4.0), weight=2e-3, name="own", **delays)
        net = net.connect(
            "cells", "cells", ExpSyn(), weight=2e-3, name="plastic", plasticity=STDP(a_plus=0.3)
        )
        return net.discretize(cx.PerBranch(2))


@pytest.fixture(scope="module")
def zoo() -> tuple[Zoo, cx.Model, cx.Solution, dict[str, Flow]]:
    task = Zoo(t1=8.0, dt=0.0125)
    model, (stage, batch) = task.network(), task.checks()
    inputs = {name: x[0] for name, x in batch.inputs.items()}

    places: dict[str, tuple[str, np.ndarray]] = {}  # no arrays of the run: they do not pass through jit

    @jax.jit
    def run(model: cx.Model) -> Any:
        sol = task.run(model, inputs, stage, recordings(model.structure, "cells"))
        found = flows(model, sol, "cells")
        places.update({name: flow[:2] for name, flow in found.items()})
        return sol, {name: flow[2:] for name, flow in found.items()}

    sol, found = run(model)
    return task, model, sol, {name: Flow(*places[name], *rest) for name, rest in found.items()}


def balance(model, sol, found, population, dt):
    """Return, per cell and time, the recorded membrane current and −C dv/dt, both in nA."""
    layout = model.structure.layout(population)
    first = layout.groups[0].start
    cells = np.concatenate([np.tile(np.arange(g.lanes), len(g.cvs)) + g.first_cell for g in layout.groups])
    total = np.zeros((len(sol.ts), layout.size))
    for flow in found.values():
        current = np.broadcast_to(np.asarray(flow.current), (len(sol.ts), len(flow.cvs)))
        np.add.at(total.T, cells[flow.cvs - first], current.T)
    sites = model.structure.sites((population, cx.every_cv())).ravel()
    v = np.asarray(sol[f"{population}.v"]).reshape(len(sol.ts), -1)[:, np.argsort(sites)]
    charge = np.zeros_like(total)
    np.add.at(charge.T, cells, (np.asarray(bind(model).capacitance)[first : first + len(cells)] * v).T)
    rise = (8.0 * (charge[3:-1] - charge[1:-3]) - (charge[4:] - charge[:-4])) / (12.0 * dt)
    return total[2:-2], -rise


def test_the_currents_account_for_the_voltage(zoo):
    """Nothing is missing and nothing counted twice: summed over a cell, the currents charge its membrane."""
    task, model, sol, found = zoo
    total, charging = balance(model, sol, found, "cells", task.dt)
    assert np.abs(charging).max() > 0.5  # nA: there are spikes
    assert np.abs(total - charging).max() < 0.01 * np.abs(charging).max()


def test_the_kinds_of_current(zoo):
    found = zoo[3]
    parts = {"cal", "hh.na", "hh.k", "hh.l", "kd", "leak", "na", "nat"}
    assert {k for k in found if "->" not in k} == parts
    for name in ("na", "nat"):
        np.testing.assert_array_equal(found[name].sodium, found[name].current)
    np.testing.assert_array_equal(found["cal"].calcium, found["cal"].current)
    assert not np.any(found["cal"].sodium) and not np.any(found["kd"].sodium)
    assert not np.any(found["eyes->cells.sparse"].sodium)  # reverses at −80 mV
    # e = 0: nine parts of sodium (50 mV) to five of potassium (−90 mV).
    graded = found["eyes->cells.graded"]
    v = np.asarray(graded.current) / np.asarray(graded.conductance)
    expected = 9 / 14 * np.asarray(graded.conductance) * (v - 50.0)
    np.testing.assert_allclose(graded.sodium, expected, rtol=1e-6)


def test_spikes_and_atp_are_those_of_a_sum_by_hand():
    _, model = trained(TASK)
    stage, batch = TASK.checks()
    cost = energy(TASK, model, batch, stage)
    atp, spikes, leak = [], [], []
    for k in range(TASK.batch):
        clamp = cx.IClamp("eyes", delay=0.0, dur=TASK.light, amp=0.05 * jnp.asarray(batch.inputs["light"])[k])
        every = ("cells", cx.every_cv())
        record = {"ina": cx.Probe(every, "hh.ina"), "v": "cells", "eyes": "eyes"}
        sol = cx.simulate(model, TASK.t1, TASK.dt, [clamp], record=record)
        area = np.asarray(model.area)[model.structure.sites(every)]
        charge = np.trapezoid(np.asarray(sol["ina"]), dx=TASK.dt, axis=0) * area * 1e-2  # pC
        atp.append(-charge.sum() * CHARGES_PER_PC / 3)
        above = np.asarray(sol["v"]) >= -20.0
        spikes.append((above[1:] & ~above[:-1]).sum())
        eye = np.trapezoid(np.asarray(sol["eyes"]) - 50.0, dx=TASK.dt, axis=0).sum()
        leak.append(-25 / 140 * 3e-4 * eye * np.asarray(model.area)[0] * 1e-2 * CHARGES_PER_PC / 3)
    assert cost.spikes == {"eyes": 0.0, "cells": np.mean(spikes)} and np.mean(spikes) >= 1.0
    assert cost.atp["cells"]["channels"] == pytest.approx(np.mean(atp), rel=1e-6)
    assert cost.atp["eyes"]["leak"] == pytest.approx(np.mean(leak), rel=1e-6)
    assert cost.atp["cells"]["synapses"] > 0.0 and cost.atp["cells"]["calcium"] == 0.0
    assert cost.left_out == ()
    text = str(cost)
    assert "ATP per decision" in text and "cells" in text and "left out" not in text


def test_what_is_unknown_is_said():
    @dataclass(frozen=True)
    class Point(Tiny):
        def network(self) -> cx.Model:
            eye = cx.Cell(cx.cylinder(10.0, 5.0), v0=-65.0).paint("all", leak=Leak(e=-65.0))
            cell = cx.Cell(cx.cylinder(20.0, 10.0), v0=-70.0).paint("all", lif=LIF())
            net = cx.Network().add("eyes", eye, 2).add("cells", cell, 2)
            return net.connect("eyes", "cells", Rate()).discretize(cx.PerBranch(1))

    task = Point(batch=2, t1=1.0)
    stage, batch = task.checks()
    cost = energy(task, task.network(), batch, stage)
    assert cost.left_out == ("cells.lif", "eyes->cells.rate") and set(cost.spikes) == {"eyes"}
    assert "left out: cells.lif" in str(cost) and "?" in str(cost)


def test_a_lone_cell():
    """A passive cell at rest at −65 mV pays for the sodium in its leak, and for nothing else."""

    @dataclass(frozen=True)
    class Alone(Tiny):
        def network(self) -> cx.Model:
            return (
                cx.Cell(cx.ball_and_stick(), v0=-65.0)
                .paint("all", leak=Leak(e=-65.0))
                .discretize(cx.PerBranch(1))
            )

        def run(self, model: cx.Model, inputs: Any, stage: Any, record: Any) -> cx.Solution:
            return cx.simulate(model, stage.t1, 0.1, record=record)

    task = Alone(batch=2, t1=1.0)
    model, (stage, batch) = task.network(), task.checks()
    cost = energy(task, model, batch, stage)
    leak = 25 / 140 * 1e-4 * 115.0 * float(model.area.sum()) * 1e-2 * CHARGES_PER_PC / 3
    assert cost.spikes == {"": 0.0} and cost.atp[""]["leak"] == pytest.approx(leak, rel=1e-6) == cost.total
    assert "cell " in str(cost)


def test_a_yardstick():
    atp: dict[str, Any] = {"a": dict.fromkeys(("channels", "calcium", "synapses", "leak"), ATP_PER_SPIKE)}
    assert Energy({"a": 1.0}, atp, ()).in_spikes == pytest.approx(4.0)


def test_chunks_are_put_together():
    trials = {"x": np.arange(7.0), "y": np.ones((7, 2))}
    sizes = []

    def run(part: Any) -> Any:
        sizes.append(len(part["x"]))
        return part["x"] * 2, part["y"].sum(axis=1)

    doubled, summed = in_chunks(run, trials, 3)
    np.testing.assert_array_equal(doubled, 2 * np.arange(7.0))
    np.testing.assert_array_equal(summed, np.full(7, 2.0))
    assert sizes == [3, 3, 3]


class Twofold(Channel):
    """A gate's current in two parts that no ion names, beside what is in none, and a leak without a potential."""

    g: Param = param(1e-3, "S/cm2")

    def gates(self, v):
        return {"n": Gate.rates(0.1 + 0.0 * v, 0.1 + 0.0 * v)}

    def current(self, v, n):
        return self.g * (3.0 * n + 0.5) * (v + 70.0)

    def parts(self, v, n):
        return {
            "fast": self.g * n * (v + 70.0),
            "slow": self.g * n * (v + 70.0),
            "l": 0.5 * self.g * (v + 70.0),
        }


class Mixed(Channel):
    """Calcium in one part, the rest in none."""

    g: Param = param(1e-3, "S/cm2")

    def current(self, v):
        return {"ca": self.g * (v - 100.0), "": 2.0 * self.g * (v + 70.0)}


def test_parts_of_a_channel_of_the_users_own():
    """They need not be ions, a leak needs no `el`, and what is in no part is the rest; nothing is counted twice."""
    model = (
        cx.Cell(cx.cylinder(20, 5), v0=-60.0)
        .paint("all", two=Twofold(), mix=Mixed())
        .discretize(cx.PerBranch(1))
    )
    record = recordings(model.structure, "")
    found = flows(model, cx.simulate(model, 2.0, 0.1, record=record), "")
    assert found.keys() == {"two.fast", "two.slow", "two.l", "two.rest", "mix.ca", "mix.rest"}
    v = np.asarray(cx.simulate(model, 2.0, 0.1, record={"v": "soma", "n": "soma.two.n"})["v"])
    area = float(model.area[0]) * 1e-2  # µm² · mA/cm² in nA
    mixed = np.asarray(found["mix.ca"].current)[:, 0], np.asarray(found["mix.rest"].current)[:, 0]
    np.testing.assert_allclose(mixed[0], 1e-3 * (v - 100.0) * area, rtol=1e-6)
    np.testing.assert_allclose(mixed[1], 2e-3 * (v + 70.0) * area, rtol=1e-6)
    np.testing.assert_allclose(found["two.rest"].current, found["two.fast"].current, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(found["two.l"].current)[:, 0], 5e-4 * (v + 70.0) * area, rtol=1e-6)
    assert found["two.l"].sodium is None and found["mix.ca"].calcium is not None
