"""What mechanisms read of place, time and currents around them, and what ions bring beside concentrations."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import Channel, Fixed, Instant, Ion, Leak, Param, Pool, param

METHODS = [cx.BackwardEuler(), cx.Staggered()]
CAPACITANCE = 1.0  # µF/cm²


def point(**paint):
    shape = cx.cylinder(20.0, 10.0)
    return cx.Cell(shape, v0=-70.0, cm=CAPACITANCE, temperature=22.0).paint("all", **paint)


def run(cell, t1=10.0, policy=None, **options):
    model = cell.discretize(policy or cx.PerBranch(1))
    return cx.simulate(model, t1=t1, dt=0.025, **options)


class Wave(Channel):
    """A current density that goes with the time."""

    amp: Param = param(1e-3, "mA/cm2")

    def current(self, v, t):
        return self.amp * jnp.cos(t) + 0.0 * v


class Nano(Channel):
    """A current in nA."""

    amp: Param = param(0.05, "nA")

    def current(self, v, area):
        return -100.0 * self.amp / area + 0.0 * v


class Thick(Channel):
    """A current in proportion to the diameter."""

    def current(self, v, diam):
        return 1e-4 * diam + 0.0 * v


class Source(Channel):
    """A constant calcium current that begins with the run."""

    i: Param = param(-2e-3, "mA/cm2")
    ion: ClassVar = "ca"

    def current(self, v):
        return self.i * (1.0 + 0.01 * (v + 70.0))


class Sensor(Channel):
    """A state that shows the calcium current that it reads."""

    def gates(self, v, ica):
        return {"n": Instant(ica + 0.0 * v)}

    def current(self, v, n):
        return 0.0 * n * v


class Pumping(Ion):
    """A pump that takes calcium out against sodium, which it counts too."""

    ci: Param = param(1e-3, "mM", lo=1e-12)
    rate: Param = param(1e-3, "mA/cm2")

    def start(self):
        return {"i": self.ci, "na": 10.0 + 0.0 * self.ci}

    def inside(self, i, na):
        return i

    def outside(self, **states):
        return 2.0

    def companions(self):
        return {"na": Counted(self.ci)}

    def rates(self, flux, radius, states, v, ina):
        return {"i": flux, "na": -1e4 * ina / 96485.33212 + 0.0 * v}

    def current(self, v):
        return {"ca": self.rate + 0.0 * v, "na": -3.0 * self.rate + 0.0 * v}


class Counted(Ion):
    ci: Param = param(1e-3, "mM")

    def inside(self, i, na):
        return na

    def outside(self, **states):
        return 140.0


@pytest.mark.parametrize("method", METHODS)
def test_a_current_of_the_time_is_that_of_the_middle_of_the_step(method):
    v = run(point(wave=Wave()), method=method)["v"]
    t = 0.025 * np.arange(len(v))
    # mA/cm² over µF/cm² is 1000 mV/ms.
    assert np.abs(np.asarray(v) - (-70.0 - 1e3 * 1e-3 * np.sin(t))).max() < 1e-4


@pytest.mark.parametrize("method", METHODS)
def test_a_current_over_the_area_is_a_clamp(method):
    shape = cx.Cell(cx.ball_and_stick(), v0=-70.0).paint("all", leak=Leak(g=1e-4, e=-70.0))
    policy = cx.PerBranch(1)
    painted = run(shape.paint("soma", stim=Nano()), policy=policy, method=method)["v"]
    clamp = cx.IClamp("soma", delay=-1.0, dur=100.0, amp=0.05)
    clamped = run(shape, policy=policy, method=method, inputs=[clamp])["v"]
    assert np.ptp(painted) > 0.1
    np.testing.assert_allclose(painted, clamped, rtol=0.0, atol=1e-9)


def test_the_diameter_is_that_of_the_control_volume():
    v = run(point(thick=Thick()), t1=1.0)["v"]
    assert float(v[-1]) == pytest.approx(-70.0 - 1e3 * 1e-4 * 20.0, abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_a_current_that_is_read_is_that_of_the_step_before(method):
    cell = point(leak=Leak(g=1e-3, e=-50.0), source=Source(), sensor=Sensor(), ca=Fixed(ci=1e-4, co=2.0))
    sol = run(cell, method=method, record={"n": "soma.sensor.n", "i": "soma.source.i", "v": "soma"})
    n, i = np.asarray(sol["n"]), np.asarray(sol["i"])
    assert np.ptp(i) > 1e-5 and n[0] == 0.0
    error = (
        np.abs(n[1:] - i[:-1]).max() if method.order == 1 else np.abs(n[1:] - 0.5 * (i[:-1] + i[1:])).max()
    )
    assert error < 1e-12


@pytest.mark.parametrize("method", METHODS)
def test_an_ion_has_a_current_of_its_own_and_further_species(method):
    class Reader(Channel):
        def gates(self, v, nai):
            return {"n": Instant(nai + 0.0 * v)}

        def current(self, v, n):
            return 0.0 * n * v

    cell = point(ca=Pumping(), reader=Reader())
    sol = run(cell, t1=5.0, method=method, record={
        "v": "soma", "ca": "soma.ca.cai", "na": "soma.ca.na", "seen": "soma.reader.n",
    })  # fmt: skip
    t = 0.025 * np.arange(len(sol["v"]))
    np.testing.assert_allclose(sol["v"], -70.0 + 2.0 * t, atol=1e-9)  # two charges in for one out
    np.testing.assert_allclose(sol["ca"], 1e-3 - 1e4 * 1e-3 / (2 * 96485.33212) * t, atol=1e-12)
    np.testing.assert_allclose(sol["na"], 10.0 + 3.0 * 1e4 * 1e-3 / 96485.33212 * t, atol=1e-12)
    assert np.abs(sol["seen"] - sol["na"]).max() < 1e-5


def test_gradients_go_through_all_of_it():
    cell = point(ca=Pumping(), stim=Nano(), wave=Wave(), leak=Leak(g=1e-4))
    model = cell.discretize(cx.PerBranch(1))
    paths = ("all.ca.rate", "all.stim.amp", "all.wave.amp", "all.ca.ci")

    def loss(model):
        sol = cx.simulate(model, t1=3.0, dt=0.025, record={"v": "soma", "ca": "soma.ca.cai"})
        return sol["v"].sum() + 1e3 * sol["ca"].sum()

    slopes = jax.grad(loss)(model).params
    for path in paths:
        x = float(model.params[path])
        up, down = (loss(model.replace({path: x * (1.0 + s * 1e-4)})) for s in (1, -1))
        assert float(slopes[path]) == pytest.approx(float(up - down) / (2e-4 * x), rel=1e-6)


def test_pools_start_where_they_are_told():
    cell = point(ca=Pool(ci=1e-4, initial=0.5, tau=10.0))
    c = run(cell, t1=20.0, record={"c": "soma.ca.cai"})["c"]
    assert float(c[0]) == pytest.approx(5e-5)
    assert float(c[-1]) == pytest.approx(1e-4 - 5e-5 * np.exp(-2.0), rel=1e-4)


def test_what_an_ion_reads_must_be_there():
    class Reading(Pumping):
        def rates(self, flux, radius, states, ko):
            return {"i": flux, "na": 0.0 * flux * ko}

    with pytest.raises(cx.CajaxError, match="'ca' reads ko, but in this cell nobody provides the ion 'k'"):
        point(ca=Reading()).discretize(cx.PerBranch(1))
