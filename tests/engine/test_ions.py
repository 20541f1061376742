import dataclasses
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.base.errors import ParameterError, ProtocolError, UnknownNameError
from cajax.mech import (
    FARADAY,
    Channel,
    Diffusive,
    Fixed,
    Gate,
    Leak,
    Param,
    Pool,
    Pump,
    Reversal,
    Shells,
    param,
)

from ..helpers import raises


class Ca(Channel):
    """A calcium conductance with one gate that reverses at the Nernst potential."""

    g: Param = param(1e-3, "S/cm2")
    ion = "ca"

    def gates(self, v):
        return {"m": Gate.relax(1.0 / (1.0 + jnp.exp(-(v + 30.0) / 6.0)), 1.0 + 0.0 * v)}

    def current(self, v, m, eca):
        return self.g * m**2 * (v - eca)


class Inflow(Channel):
    """A calcium current that nothing influences."""

    i: Param = param(-1e-3, "mA/cm2")
    ion = "ca"

    def current(self, v):
        return self.i + 0.0 * v


class SK(Channel):
    """Potassium gated by calcium."""

    g: Param = param(1e-3, "S/cm2")
    ion = "k"

    def gates(self, v, cai):
        return {"z": Gate.relax(cai / (cai + 5e-4), 2.0 + 0.0 * v)}

    def current(self, v, z, ek):
        return self.g * z * (v - ek)


class Warm(Channel):
    """Asks for the temperature."""

    g: Param = param(1e-4, "S/cm2")

    def current(self, v, celsius):
        return self.g * celsius * (v + 65.0)


def point(**paints) -> cx.Cell:
    """One cylinder of 20 µm with a leak at 30 °C."""
    return cx.Cell(cx.cylinder(20.0, 10.0), temperature=30.0).paint(
        "all", leak=Leak(g=1e-4, e=-65.0), **paints
    )


def feedback() -> cx.Model:
    """Calcium influx, a pool and the potassium that follows it, on two CVs per branch."""
    cell = cx.Cell(cx.ball_and_stick(), temperature=30.0).paint("all", leak=Leak(g=1e-4, e=-65.0))
    cell = cell.paint("all", ca=Pool(tau=5.0, gamma=0.02), k=Reversal(-85.0), cav=Ca(g=5e-4), sk=SK(g=1e-3))
    return cell.discretize(cx.PerBranch(1))


PULSE = cx.IClamp("soma", 0.0, 100.0, 0.25)


@pytest.mark.parametrize("method", [cx.BackwardEuler(), cx.Staggered()])
def test_calcium_content_is_the_charge_that_entered(method):
    """With no decay: Δc · depth/gamma = −∫ i dt / (zF)."""
    model = point(ca=Pool(ci=1e-4, gamma=1.0, depth=2.0, tau=1e15), cav=Ca()).discretize(cx.PerBranch(1))
    record = {"c": "soma.ca.cai", "i": "soma.cav.i"}
    sol = cx.simulate(model, 20.0, 0.005, inputs=[PULSE], record=record, method=method)
    c, i = np.asarray(sol["c"]), np.asarray(sol["i"])
    entered = -0.005 * (0.5 * (i[1:] + i[:-1])).sum() * 1e4 / (2 * FARADAY)  # mA/cm² · ms → mM · µm
    assert c[-1] > 3 * c[0]
    np.testing.assert_allclose((c[-1] - c[0]) * 2.0, entered, rtol=1.5e-2 if method.order == 1 else 1e-5)


@pytest.mark.parametrize("method", [cx.BackwardEuler(), cx.Staggered()])
def test_a_constant_influx_fills_exactly(method):
    model = point(ca=Pool(gamma=1.0, depth=2.0, tau=1e15), drip=Inflow(-2e-3)).discretize(cx.PerBranch(1))
    c = np.asarray(cx.simulate(model, 5.0, 0.025, record={"c": "soma.ca.cai"}, method=method)["c"])
    gain = 2e-3 * 1e4 / (2 * FARADAY) / 2.0
    np.testing.assert_allclose(c, 1e-4 + gain * 0.025 * np.arange(201), rtol=1e-10)


def cable(n: int, ion, **paints) -> cx.Model:
    cell = cx.Cell(cx.cylinder(100.0, 1.0), temperature=30.0).paint(
        "all", leak=Leak(e=-65.0), ca=ion, **paints
    )
    return cell.discretize(cx.PerBranch(n))


def content(sol: cx.Solution, name: str, volume: np.ndarray) -> np.ndarray:
    return np.asarray(sol[name]) @ volume


@pytest.mark.parametrize("method", [cx.BackwardEuler(), cx.Staggered()])
def test_axial_diffusion_conserves_mass(method):
    """Through branch points and changes of radius; what enters at one place is what the whole cell holds more."""
    cell = cx.Cell(cx.ball_and_stick(3.0, 60.0, 0.5, taper=0.4), temperature=30.0).paint(
        "all", leak=Leak(e=-65.0)
    )
    cell = cell.paint("all", ca=Diffusive(ci=1e-4, co=2.0, d=5.0, tau=1e15)).paint("soma", drip=Inflow(-1e-3))
    model = cell.discretize(cx.PerBranch(7))
    record = {"c": cx.Probe(cx.every_cv("all"), "ca.cai")}
    sol = cx.simulate(model, 20.0, 0.05, record=record, method=method)
    cvs = model.cvs
    volume = np.asarray(0.5 * cvs.area * cvs.radius)
    entered = 1e-3 * 1e4 / (2 * FARADAY) * np.asarray(cvs.area)[cvs.branch == 0].sum() * np.asarray(sol.ts)
    np.testing.assert_allclose(content(sol, "c", volume), 1e-4 * volume.sum() + entered, rtol=1e-9)
    last = np.asarray(sol["c"])[-1]
    assert last[cvs.branch == 1].max() > 1.5e-4  # some of it has reached the dendrite


def test_diffusion_spreads_as_a_gaussian():
    """A Gaussian stays one, its variance grows by 2 d t; second order in the length of a CV."""
    d, sigma, t = 2.0, 5.0, 10.0
    errors = []
    for n in (20, 40, 80):
        x = (np.arange(n) + 0.5) * 100.0 / n - 50.0
        peak = lambda var, x=x: 1e-4 + 1e-2 * sigma / np.sqrt(var) * np.exp(-(x**2) / (2 * var))  # noqa: E731
        model = cable(n, Diffusive(ci=cx.each("cv", peak(sigma**2)), co=2.0, d=d, tau=1e15))
        sol = cx.simulate(model, t, 0.1, record={"c": cx.Probe(cx.every_cv("all"), "ca.cai")})
        errors.append(np.abs(np.asarray(sol["c"])[-1] - peak(sigma**2 + 2 * d * t)).max())
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert np.all(np.abs(orders - 2.0) < 0.25), (errors, orders)
    assert errors[-1] < 1e-2 * 1e-2


def test_shells_without_axial_diffusion_stay_where_they_are():
    cell = cx.Cell(cx.ball_and_stick(), temperature=30.0).paint("all", leak=Leak(e=-65.0))
    model = (
        cell.paint("all", ca=Shells(shells=2, axial=False))
        .paint("soma", drip=Inflow())
        .discretize(cx.PerBranch(2))
    )
    sol = cx.simulate(model, 5.0, record={"a": "soma.ca.cai", "b": cx.Probe(cx.at(1, 0.25), "ca.cai")})
    assert sol["a"][-1] > 8e-5 and np.ptp(np.asarray(sol["b"])) < 1e-12


@pytest.mark.parametrize(("method", "order"), [(cx.BackwardEuler(), 1), (cx.Staggered(), 2)])
def test_order_of_convergence_with_feedback(method, order):
    """Voltage and calcium, where each drives the other."""
    model, record = feedback(), {"v": "soma", "c": "soma.ca.cai"}

    def end(dt):
        sol = cx.simulate(model, 12.0, dt, inputs=[PULSE], record=record, method=method)
        return np.array([float(sol["v"][-1]), 1e4 * float(sol["c"][-1])])

    values = [end(dt) for dt in (0.1, 0.05, 0.025, 0.0125)]
    gaps = [np.abs(a - b) for a, b in pairwise(values)]
    orders = np.log2(np.array(gaps[:-1]) / np.array(gaps[1:]))
    assert np.all(np.abs(orders[-1] - order) < 0.3), (gaps, orders)


def test_both_methods_converge_to_the_same():
    model, record = feedback(), {"c": "soma.ca.cai"}
    run = lambda dt, m: np.asarray(cx.simulate(model, 12.0, dt, [PULSE], record, m)["c"])[-1]  # noqa: E731
    fine = run(0.0125, cx.Staggered())
    assert abs(run(0.0125, cx.BackwardEuler()) / fine - 1.0) < 0.02
    assert abs(run(0.05, cx.Staggered()) / fine - 1.0) < 0.002


def test_a_cell_at_rest_stays_at_rest():
    """Without influx nothing moves, whatever the ion."""
    for ion in (Pump(vmax=1e-3), Diffusive(ci=1e-4, co=2.0), Shells(shells=2)):
        sol = cx.simulate(cable(3, ion), 2.0, 0.1, record={"c": cx.Probe(cx.every_cv("all"), "ca.cai")})
        np.testing.assert_allclose(sol["c"], ion.ci, rtol=1e-11)


def test_a_run_continues_exactly():
    model, record = feedback(), {"c": "soma.ca.cai"}
    whole = cx.simulate(model, 4.0, 0.05, inputs=[PULSE], record=record)
    half = cx.simulate(model, 2.0, 0.05, inputs=[PULSE], record=record)
    rest = cx.simulate(model, 2.0, 0.05, inputs=[PULSE], record=record, state=half.state, continued=True)
    np.testing.assert_array_equal(np.asarray(whole["c"])[40:], np.asarray(rest["c"]))


def test_gradient_through_calcium_equals_central_differences():
    model = feedback()

    def loss(x):
        params = {
            **model.params,
            "all.ca.gamma": 0.02 * x[0],
            "all.cav.g": 5e-4 * x[1],
            "all.sk.g": 1e-3 * x[2],
        }
        sol = cx.simulate(dataclasses.replace(model, params=params), 6.0, 0.1, [PULSE], {"v": "soma"})
        return jnp.mean(sol["v"] ** 2)

    x, h = jnp.ones(3), 1e-5
    found = jax.grad(loss)(x)
    for k in range(3):
        central = (loss(x.at[k].add(h)) - loss(x.at[k].add(-h))) / (2 * h)
        np.testing.assert_allclose(found[k], central, rtol=1e-6)


def test_recordings_of_an_ion():
    model = feedback()
    names = ("cai", "cao", "eca", "i")
    sol = cx.simulate(model, 1.0, 0.1, inputs=[PULSE], record={n: f"soma.ca.{n}" for n in names})
    assert all(sol[n].shape == (11,) for n in names)
    np.testing.assert_array_equal(sol["i"], sol["cai"])
    np.testing.assert_allclose(sol["cao"], 2.0)
    nernst = 8.314462618 * 303.15 / (2 * 96.48533212) * np.log(2.0 / np.asarray(sol["cai"]))
    np.testing.assert_allclose(sol["eca"], nernst, rtol=1e-12)
    raises(lambda: cx.simulate(model, 1.0, record={"x": "soma.ca.cak"}), "cak", "cai", kind=UnknownNameError)
    raises(
        lambda: cx.simulate(model, 1.0, record={"x": "soma.k.ki"}),
        "k.ki",
        "no concentrations",
        kind=ProtocolError,
    )
    sol = cx.simulate(cable(2, Shells(shells=2)), 1.0, record={n: f"soma.ca.{n}" for n in ("c0", "c1", "b1")})
    np.testing.assert_allclose(sol["c1"], 5e-5)


def bare(**paints) -> cx.Cell:
    return cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak(), **paints)


@pytest.mark.parametrize("paints", [
    {"ca": Pool(), "cav": Ca()}, {"ca": Fixed(1e-4, 2.0), "cav": Ca()}, {"warm": Warm()},
])  # fmt: skip
def test_what_needs_a_temperature_says_so(paints):
    raises(lambda: bare(**paints).discretize(cx.PerBranch(1)), "temperature=37.0", kind=ParameterError)


def test_a_reversal_needs_no_temperature():
    bare(ca=Reversal(120.0), cav=Ca()).discretize(cx.PerBranch(1))
    bare(ca=Pool(), k=Reversal(-85.0), sk=SK()).discretize(cx.PerBranch(1))


def test_an_ion_that_nobody_provides():
    raises(lambda: bare(cav=Ca()).discretize(cx.PerBranch(1)), "'cav' reads eca", "nobody provides", "Reversal(e=…)",
           kind=ParameterError)  # fmt: skip
    raises(lambda: bare(k=Reversal(-85.0), sk=SK()).discretize(cx.PerBranch(1)), "'sk' reads cai", "Pool()",
           kind=ParameterError)  # fmt: skip


def test_an_ion_provided_at_some_places_only():
    part = bare(cav=Ca()).paint("soma", ca=Reversal(120.0))
    raises(lambda: part.discretize(cx.PerBranch(2)), "'ca' at 2 of its 4 CVs", kind=ParameterError)
    part.paint("apical", ca=Reversal(100.0)).discretize(cx.PerBranch(2))


def test_an_ion_without_concentrations():
    cell = bare(ca=Reversal(120.0), k=Reversal(-85.0), sk=SK())
    raises(
        lambda: cell.discretize(cx.PerBranch(1)), "'sk' reads cai", "no concentrations", kind=ParameterError
    )


def test_an_ion_painted_twice():
    cell = bare(ca=Pool(), more=Pool(species="ca"))
    raises(lambda: cell.discretize(cx.PerBranch(1)), "'ca' is painted twice", kind=ParameterError)
    apart = cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak()).paint("soma", ca=Pool())
    apart.paint("apical", far=Diffusive(species="ca", ci=1e-4)).discretize(cx.PerBranch(1))


def test_an_ion_without_a_charge():
    raises(lambda: bare(xy=Pool()).discretize(cx.PerBranch(1)), "'xy'", "valence=1", kind=ParameterError)
    bare(xy=Pool(valence=2)).discretize(cx.PerBranch(1))


def test_a_negative_concentration_is_refused():
    raises(lambda: bare(ca=Pool(ci=-1e-4)), "Pool.ci", kind=ParameterError)
    cell = bare(ca=Pool(ci=cx.each("cv", [1e-4, -1e-4])))
    raises(lambda: cell.discretize(cx.PerBranch(1)), "ci", kind=ParameterError)


def test_float32():
    with jax.enable_x64(False):
        model = feedback()
        sol = cx.simulate(
            model, 5.0, 0.1, inputs=[cx.IClamp("soma", 0.0, 100.0, 0.25)], record={"c": "soma.ca.cai"}
        )
        assert sol["c"].dtype == jnp.float32
        single = np.asarray(sol["c"])
    double = np.asarray(cx.simulate(feedback(), 5.0, 0.1, inputs=[PULSE], record={"c": "soma.ca.cai"})["c"])
    np.testing.assert_allclose(single, double, rtol=1e-3)
