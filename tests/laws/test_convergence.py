"""Orders of convergence in time and space, and cables with a known answer."""

from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import HH, Leak
from cajax.morph import Branch

DTS = (0.1, 0.05, 0.025, 0.0125)
FINEST = 0.0125 / 8
STOP = 6.0


@cache
def axon() -> cx.Model:
    return cx.Cell(cx.cylinder(1000.0, 1.0)).paint("all", hh=HH()).discretize(cx.PerBranch(11))


@cache
def spike(method: Any, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the voltage at the far end every 0.1 ms, and the time at which the spike crosses 0 mV there."""
    sol = cx.simulate(
        axon(), STOP, dt, [cx.IClamp(cx.at(0, 0.0), 0.0, 1.0, 1.0)], {"v": cx.at(0, 1.0)}, method
    )
    v = np.asarray(sol["v"])
    i = int(np.flatnonzero((v[:-1] < 0) & (v[1:] >= 0))[0])
    t, w = dt * np.arange(i - 1, i + 3), v[i - 1 : i + 3]
    crossing = sum(t[k] * np.prod([w[m] / (w[m] - w[k]) for m in range(4) if m != k]) for k in range(4))
    return v[:: round(0.1 / dt)], crossing


@pytest.mark.parametrize(
    ("method", "order", "allowed"), [(cx.BackwardEuler(), 1, 0.1), (cx.Staggered(), 2, 0.15)]
)
def test_order_in_time_of_a_spike(method: Any, order: int, allowed: float) -> None:
    """The spike runs along a squid axon; the truth is the second-order method at an eighth of the finest step."""
    v, t = spike(cx.Staggered(), FINEST)
    found = [spike(method, dt) for dt in DTS]
    errors = np.array([[abs(t_dt - t), np.sqrt(np.mean((v_dt - v) ** 2))] for v_dt, t_dt in found])
    orders = np.log2(errors[:-1] / errors[1:])
    print(
        f"\n{type(method).__name__}: dt, error of the spike time (ms) and of the voltage (rms mV), their orders"
    )
    for dt, e, o in zip(DTS, errors, [[np.nan] * 2, *orders], strict=True):
        print(f"  {dt:7.4f}  {e[0]:.2e} {e[1]:.2e}   {o[0]:5.2f} {o[1]:5.2f}")
    assert np.abs(orders[-1] - order).max() <= allowed
    assert np.abs(orders - order).max() <= 2.5 * allowed


LENGTH, RADIUS, RA, G = 1000.0, 1.0, 100.0, 1e-4
LAMBDA = np.sqrt(RADIUS * 1e-4 / (2 * RA * G)) * 1e4  # µm


def steady(cell: cx.Cell, cvs: int, at: Any, amp: float) -> np.ndarray:
    """Return the steady voltage over rest at every CV: one enormous implicit step."""
    model = cell.paint("all", leak=Leak(g=G, e=0.0)).discretize(cx.PerBranch(cvs))
    sol = cx.simulate(
        model, 1e9, 1e9, [cx.IClamp(at, -1.0, 1e12, amp)], {"v": cx.every_cv()}, cx.BackwardEuler()
    )
    return np.asarray(sol["v"][-1])


def test_order_in_space_of_a_cable() -> None:
    """Steady voltage of a sealed cable with current at one end: V(x) = I R_λ cosh((L - x)/λ) / sinh(L/λ)."""
    cell = cx.Cell(cx.cylinder(LENGTH, RADIUS), ra=RA, v0=0.0)
    r_inf = RA * LAMBDA * 1e-4 / (np.pi * (RADIUS * 1e-4) ** 2) * 1e-6  # MΩ
    errors = []
    for n in (8, 16, 32):
        x = (np.arange(n) + 0.5) / n * LENGTH
        # The current enters the middle of the first CV; two sealed cables meet there.
        a, b = x[0] / LAMBDA, (LENGTH - x[0]) / LAMBDA
        peak = 0.1 * r_inf / (np.tanh(a) + np.tanh(b))
        truth = peak * np.cosh((LENGTH - x) / LAMBDA) / np.cosh(b)
        errors.append(np.abs(steady(cell, n, cx.at(0, 0.0), 0.1) - truth).max() / peak)
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    print(f"\ncable: relative errors {errors}, orders in dx {orders}")
    assert np.abs(orders - 2.0).max() <= 0.15


def test_time_constant_of_a_patch() -> None:
    model = (
        cx.Cell(cx.cylinder(20.0, 10.0), v0=0.0)
        .paint("all", leak=Leak(g=G, e=-70.0))
        .discretize(cx.PerBranch(1))
    )
    sol = cx.simulate(model, 10.0, 0.01)
    np.testing.assert_allclose(sol["v"], -70.0 * (1 - np.exp(-np.asarray(sol.ts) / 10.0)), atol=1e-5)


@pytest.mark.parametrize("method", [cx.Staggered(), cx.BackwardEuler()], ids=lambda m: type(m).__name__)
def test_equivalent_cylinder(method: Any) -> None:
    """Rall (1959): where d^{3/2} of the daughters add up to the parent's, a tree is one cylinder, in time too."""
    daughter = RADIUS * 0.5 ** (2 / 3)
    stretch = np.sqrt(
        daughter / RADIUS
    )  # so that each daughter has the electrotonic length of the cylinder's half
    half = LENGTH / 2

    def rod(start: float, length: float, radius: float, y: float) -> np.ndarray:
        return np.array([[start, y, 0, radius], [start + length, y, 0, radius]], float)

    tree = cx.Morphology.of(
        [
            Branch(rod(0, half, RADIUS, 0), tag="soma"),
            Branch(rod(half, half * stretch, daughter, 1), 0, 1.0, "apical"),
            Branch(rod(half, half * stretch, daughter, -1), 0, 1.0, "apical"),
        ]
    )
    rods = cx.Morphology.of(
        [Branch(rod(0, half, RADIUS, 0), tag="soma"), Branch(rod(half, half, RADIUS, 0), 0, 1.0, "apical")]
    )
    v = []
    for shape in (tree, rods):
        model = cx.Cell(shape, ra=RA).paint("all", leak=Leak(g=G)).discretize(cx.PerBranch(3))
        record = {"v": cx.every_cv("soma"), "tip": cx.at(1, 1.0)}
        sol = cx.simulate(model, 5.0, 0.1, [cx.IClamp(cx.at(0, 0.0), 0.5, 3.0, 0.1)], record, method)
        v.append(jnp.concatenate([sol["v"], sol["tip"][:, None]], axis=1))
    np.testing.assert_allclose(v[0], v[1], rtol=1e-11)
