"""Synapses and ions whose states depend on the membrane voltage: closed forms under a voltage clamp, and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import EventSynapse, ExpSyn, Gate, Ion, Leak, Param, param

METHODS = (cx.BackwardEuler(), cx.Staggered())
ids = lambda m: type(m).__name__  # noqa: E731


class Lasting(EventSynapse):
    """A conductance that closes e-fold more slowly per `slope` mV of depolarisation, as NMDA's do."""

    tau: Param = param(3.0, "ms", lo=1e-3)
    slope: Param = param(30.0, "mV", lo=1e-3)
    e: Param = param(0.0, "mV")

    def gates(self, v):
        return {"g": Gate.relax(0.0 * v, self.tau * jnp.exp((v + 60.0) / self.slope))}

    def event(self, g):
        return {"g": g + 1.0}

    def release(self, g):
        return g

    def current(self, v, g):
        return g * (v - self.e)


def network(synapse, n=1, v0=-60.0, **options) -> cx.Model:
    cell = cx.Cell(cx.cylinder(20.0, 10.0), v0=v0).paint("all", leak=Leak(g=3e-4, e=-60.0))
    net = cx.Network().add("s", cx.SpikeSource(), 1).add("b", cell, n)
    options = {"weight": 2e-3, "delay": 1.0} | options
    return net.connect("s", "b", synapse, **options).discretize(cx.PerBranch(1))


RECORD = {"v": "b", "g": "s->b.lasting.g"}


def test_every_synapse_has_states_of_its_own():
    Lasting().check()
    model = network(Lasting(), n=3)
    sol = cx.simulate(model, 2.0, 0.05, record=RECORD)
    assert model.params["s->b.lasting.tau"].shape == () and sol["g"].shape == (41, 1, 3)
    assert Lasting.reads_voltage() and not ExpSyn.reads_voltage()
    assert Lasting().states() == ("g",)


@pytest.mark.parametrize("method", METHODS, ids=ids)
def test_closed_form_under_a_voltage_clamp(method):
    for hold in (-60.0, -20.0):
        model = network(Lasting(), v0=hold)
        inputs = [cx.VClamp("b", hold), cx.Spikes("s", [1.0])]
        sol = cx.simulate(model, 8.0, 0.05, inputs, RECORD, method)
        after = np.maximum(sol.ts - 2.0, 0.0)
        exact = np.where(sol.ts > 2.01, np.exp(-after / (3.0 * np.exp((hold + 60.0) / 30.0))), 0.0)
        clear = np.abs(sol.ts - 2.0) > 0.06
        # The clamp's series resistance lets the synapse move the voltage by microvolts.
        np.testing.assert_allclose(sol["g"][clear, 0, 0], exact[clear], atol=2e-6)


@pytest.mark.parametrize("method", METHODS, ids=ids)
def test_order_of_convergence_while_the_voltage_moves(method):
    model = network(Lasting(slope=5.0), weight=1e-2)
    last = lambda dt: cx.simulate(model, 4.0, dt, [cx.Spikes("s", [0.3])], RECORD, method)  # noqa: E731
    runs = [last(dt) for dt in (0.1, 0.05, 0.025, 0.0125)]
    for name in RECORD:
        a, b, c, d = (float(np.ravel(sol[name][-1])[0]) for sol in runs)
        observed = np.log2([(a - b) / (b - c), (b - c) / (c - d)])
        assert np.all(np.abs(observed - method.order) < 0.3), (name, observed)


@pytest.mark.parametrize("method", METHODS, ids=ids)
def test_gradients_and_restart(method):
    model, inputs = network(Lasting()), [cx.Spikes("s", [1.01])]

    def loss(params):
        sol = cx.simulate(model.replace(params), 6.0, 0.05, inputs, RECORD, method)
        return jnp.mean(sol["v"]) + jnp.mean(sol["g"][60:])

    for name in ("s->b.lasting.tau", "s->b.lasting.slope", "s->b.lasting.weight", "s->b.lasting.delay"):
        x = float(model.params[name].ravel()[0])
        h = 1e-5 * x
        point = lambda s, name=name, x=x: {name: jnp.full(model.params[name].shape, x + s)}  # noqa: E731
        found = jax.grad(loss)(point(0.0))[name].sum()
        np.testing.assert_allclose(found, (loss(point(h)) - loss(point(-h))) / (2 * h), rtol=1e-6)
    whole = cx.simulate(model, 6.0, 0.05, inputs, RECORD, method)
    half = cx.simulate(model, 3.0, 0.05, inputs, RECORD, method)
    rest = cx.simulate(model, 3.0, 0.05, inputs, RECORD, method, state=half.state, continued=True)
    for name in RECORD:
        np.testing.assert_array_equal(rest[name], whole[name][60:])


class Sluice(Ion):
    """A pool whose pump works e-fold faster per `slope` mV of hyperpolarisation; painted without any current."""

    ci: Param = param(1e-4, "mM", lo=1e-12)
    start_at: Param = param(1e-3, "mM", lo=1e-12)
    rate: Param = param(0.05, "1/ms", lo=0.0)
    slope: Param = param(20.0, "mV", lo=1e-3)

    def start(self):
        return {"i": self.start_at}

    def inside(self, i):
        return i

    def rates(self, flux, radius, states, v):
        return {"i": -self.rate * jnp.exp(-(v + 60.0) / self.slope) * (states["i"] - self.ci)}


def pumped(hold) -> cx.Model:
    cell = cx.Cell(cx.cylinder(20.0, 10.0), v0=hold).paint("all", leak=Leak(e=hold), ca=Sluice())
    return cell.discretize(cx.PerBranch(1))


@pytest.mark.parametrize("method", METHODS, ids=ids)
def test_an_ion_that_reads_the_voltage_follows_the_closed_form(method):
    Sluice().check()
    assert Sluice.reads_voltage()
    record, rate = {"c": cx.Probe("soma", "ca.cai")}, 0.05 * np.exp(-(-80.0 + 60.0) / 20.0)
    exact, errors = 1e-4 + 9e-4 * np.exp(-rate * 5.0), []
    for dt in (0.1, 0.05):
        sol = cx.simulate(pumped(-80.0), 5.0, dt, [cx.VClamp("soma", -80.0)], record, method)
        errors.append(abs(float(sol["c"][-1]) - exact))
    assert errors[0] < (3e-6 if method.order == 1 else 1e-8)
    assert abs(np.log2(errors[0] / errors[1]) - method.order) < 0.15


@pytest.mark.parametrize("method", METHODS, ids=ids)
def test_the_gradient_of_such_an_ion_equals_central_differences(method):
    model = pumped(-60.0)

    def last(params):
        clamp = cx.IClamp("soma", 1.0, 3.0, 0.1)
        record = {"c": cx.Probe("soma", "ca.cai")}
        return 1e3 * cx.simulate(model.replace(params), 5.0, 0.05, [clamp], record, method)["c"][-1]

    for name, x in (("all.ca.slope", 20.0), ("all.ca.rate", 0.05), ("all.leak.g", 1e-4)):
        h = 1e-5 * x
        central = (last({name: x + h}) - last({name: x - h})) / (2 * h)
        np.testing.assert_allclose(jax.grad(last)({name: jnp.asarray(x)})[name], central, rtol=1e-6)
