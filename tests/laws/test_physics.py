"""Physics that holds whatever the numbers: charge, rest, clamps; and networks that are the same written twice."""

from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import HH, Graded, Leak

from .random_models import random_cell, random_morphology


def test_charge_is_conserved() -> None:
    """∫ injected = Δ Σ C v + ∫ membrane current, step by step in the sense of backward Euler, on a random tree."""
    shape = random_morphology(np.random.default_rng(1), 5)
    cell = cx.Cell(shape, cm=cx.each("cv", 1.3)).paint("all", leak=Leak(g=cx.each("cv", 2e-4), e=-60.0))
    model = cell.discretize(cx.PerBranch(2))
    record = {"v": cx.every_cv(), "i": cx.Probe(cx.every_cv(), "leak.i")}
    dt, amp = 0.1, 0.3
    sol = cx.simulate(model, 3.0, dt, [cx.IClamp("apical", 0.45, 1.25, amp)], record, cx.BackwardEuler())
    area = np.asarray(model.area)
    stored = np.asarray(sol["v"]) @ (np.asarray(model.params["all.cm"]) * area) * 1e-5  # nF · mV = pC
    crossed = np.asarray(sol["i"])[1:] @ area * 1e-2 * dt  # nA · ms = pC
    injected = stored[-1] - stored[0] + crossed.sum()
    assert injected == pytest.approx(amp * 1.25, rel=1e-11)
    np.testing.assert_allclose((np.diff(stored) + crossed)[20:], 0.0, atol=1e-12)


@pytest.mark.parametrize("method", [cx.Staggered(), cx.BackwardEuler()], ids=lambda m: type(m).__name__)
def test_rest_is_a_fixed_point(method: Any) -> None:
    cell = (
        cx.Cell(cx.ball_and_stick(length=100.0), v0=-65.0)
        .paint("all", hh=HH())
        .paint("apical", leak=Leak(e=-66.0))
    )
    model = cell.discretize(cx.PerBranch(1))
    go = partial(
        cx.simulate, model, t1=400.0, dt=0.1, record={"v": cx.every_cv(), "m": "soma.hh.m"}, method=method
    )
    rest = go().state
    after = go(state=rest)
    assert float(jnp.abs(after["v"] - rest.v[None]).max()) < 1e-9
    assert float(jnp.ptp(after["m"])) < 1e-11


@pytest.mark.parametrize("method", [cx.Staggered(), cx.BackwardEuler()], ids=lambda m: type(m).__name__)
def test_voltage_clamp_holds_without_ringing(method: Any) -> None:
    """After one step the clamped place is at the command; its neighbours, and the current, approach one way."""
    cell = cx.Cell(cx.ball_and_stick(), v0=-65.0).paint("all", leak=Leak(e=-65.0))
    model = cell.discretize(cx.PerBranch(5))
    clamp = cx.VClamp("soma", -20.0)
    v = np.asarray(cx.simulate(model, 5.0, 0.05, [clamp], {"v": cx.every_cv()}, method)["v"])
    held = int(model.structure.sites("soma"))
    assert np.abs(v[1:, held] + 20.0).max() < 0.1
    assert v.max() < -20.0 + 1.0 and v[4:].max() < -20.0 + 0.01  # of a jump of 45 mV
    ringing = np.abs(v[4:-2] - 2 * v[5:-1] + v[6:]).max() / 4
    print(f"{type(method).__name__}: alternating part {ringing:.2g} mV")
    assert ringing < 0.2
    change = np.diff(v, axis=0)
    assert change.min() > -1.0 and change[4:].min() > -0.01


def test_a_thin_dendrite_does_not_ring() -> None:
    """A step of current into a thin tip, of 15 mV in 5 ms: the voltage never steps back under either method.

    Crank–Nicolson's alternating part, which backward Euler has not, is below 0.25 mV and dies away like 1/t; what is
    left of it at the end is far below backward Euler's error.
    """
    cell = cx.Cell(cx.cylinder(100.0, 0.2), v0=-65.0).paint("all", leak=Leak(e=-65.0))
    model, tip = cell.discretize(cx.PerBranch(21)), cx.at(0, 1.0)

    def rise(method: Any, dt: float) -> Any:
        v = cx.simulate(model, 5.0, dt, [cx.IClamp(tip, 0.0, 9.0, 0.01)], {"v": tip}, method)["v"]
        return np.asarray(v)[:: round(0.05 / dt)]

    exact, apart = rise(cx.Staggered(), 0.001), {}
    for method in (cx.BackwardEuler(), cx.Staggered()):
        v, name = rise(method, 0.05), type(method).__name__
        back, apart[name] = -np.minimum(np.diff(v), 0.0).min(), v - exact
        ringing = np.abs(np.diff(apart[name], 2))[1:] / 4
        print(f"{name}: steps back by {back} mV, rings by {ringing[[0, 10, 40, 90]]} mV")
        assert back == 0.0
    assert ringing[0] < 0.25 and (ringing[10:] < 0.03).all() and (ringing[40:] < 3e-3).all()
    assert np.abs(apart["Staggered"][-20:]).max() < 1e-3 < 0.05 < np.abs(apart["BackwardEuler"][-20:]).max()


def two_layers(rule: Any = None, **options: Any) -> cx.Model:
    point = cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", hh=HH())
    return (
        cx.Network()
        .add("pre", point, 3)
        .add("post", cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak()), 2)
        .connect("pre", "post", Graded(), rule=rule, at=cx.every_cv("apical"), **options)
        .discretize(cx.PerBranch(2))
    )


def fire(model: cx.Model, pre: str = "pre") -> cx.Solution:
    clamp = cx.IClamp(pre, 0.2, 1.0, jnp.array([2.0, 1.0, 0.0]))
    return cx.simulate(model, 3.0, 0.05, [clamp])


def test_dense_and_sparse_projections_are_the_same() -> None:
    weight = np.random.default_rng(0).uniform(1e-4, 1e-3, (3, 2, 2))
    pairs = np.array([(i, j) for j in (1, 0) for i in (2, 0, 1)])
    dense = fire(two_layers(weight=weight))
    sparse = fire(two_layers(cx.edges(pairs), weight=weight[pairs[:, 0], pairs[:, 1]]))
    assert float(dense["post"].max()) > -60.0
    np.testing.assert_allclose(dense["post"], sparse["post"], rtol=1e-12)


def test_a_list_of_equal_cells_is_a_population() -> None:
    """Cells listed one by one, or split over two populations, behave as the same number interleaved."""
    cell = cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak()).paint("soma", hh=HH())
    amps = jnp.array([2.0, 1.0, 0.0])

    def go(net: cx.Network, amps: dict[str, jnp.ndarray]) -> np.ndarray:
        model = net.discretize(cx.PerBranch(1))
        sol = cx.simulate(model, 1.5, 0.05, [cx.IClamp(k, 0.1, 1.0, a) for k, a in amps.items()])
        return np.concatenate([sol[k] for k in amps], axis=1)

    together = go(cx.Network().add("a", cell, 3), {"a": amps})
    listed = go(cx.Network().add("a", [cell] * 3), {"a": amps})
    split = go(cx.Network().add("a", cell, 2).add("b", cell), {"a": amps[:2], "b": amps[2:]})
    print("bit for bit:", np.array_equal(together, listed), np.array_equal(together, split))
    np.testing.assert_allclose(listed, together, rtol=1e-12)
    np.testing.assert_allclose(split, together, rtol=1e-12)


def test_each_value_reaches_its_place() -> None:
    """A random cell with every conductance widened is the same cell."""
    model = random_cell(np.random.default_rng(4), channels=2).discretize(cx.PerBranch(2))
    wide = model
    for path in model.params:
        source = model.structure.painted(path)
        if source is not None and source.scope == "shared" and path.endswith((".g", ".cm", ".ra")):
            wide = wide.widened(path, "branch")
    assert wide.structure != model.structure
    go = partial(
        cx.simulate, t1=1.0, dt=0.1, inputs=[cx.IClamp("soma", 0.0, 1.0, 0.5)], record={"v": cx.every_cv()}
    )
    np.testing.assert_allclose(go(wide)["v"], go(model)["v"], rtol=1e-12)
