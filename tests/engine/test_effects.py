"""Synapses that are given their weight: every connection has states and a current of its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.base.errors import ParameterError
from cajax.mech import HH, STDP, EventSynapse, ExpSyn, FastSigmoid, Fixed, Gate, Leak, Param, Reversal, param

from ..helpers import one_line

METHODS = (cx.BackwardEuler(), cx.Staggered())
ids = lambda m: type(m).__name__  # noqa: E731


class Whole(EventSynapse):
    """What `ExpSyn` is, with the weight in the state."""

    tau: Param = param(2.0, "ms", lo=1e-3)
    e: Param = param(0.0, "mV")

    def gates(self):
        return {"g": Gate.relax(jnp.zeros_like(self.tau), self.tau)}

    def event(self, weight, g):
        return {"g": g + weight}

    def release(self, g):
        return g

    def current(self, v, g):
        return g * (v - self.e)


class Rich(EventSynapse):
    """A conductance that saturates, remembers when the last spike came, and reads what is around it."""

    tau: Param = param(3.0, "ms", lo=1e-3)
    most: Param = param(5e-3, "uS", lo=1e-9)
    back: Param = param(4.0, "ms", lo=1e-3)
    leak: Param = param(1e-5, "uS")

    def gates(self, v, celsius):
        speed = 2.0 ** ((celsius - 20.0) / 10.0)
        zero = 0.0 * v
        return {
            "g": Gate.relax(zero, self.tau * jnp.exp(zero + (v + 60.0) / 30.0) / speed),
            "last": Gate(zero - 100.0, zero),
        }

    def event(self, weight, t, g, last):
        ready = 1.0 - jnp.exp(-jnp.minimum(t - last, 100.0) / self.back)
        return {"g": g + weight * ready * (1.0 - g / self.most), "last": t}

    def release(self, g, last):
        return g

    def current(self, v, g, v_pre, eca):
        return g * (v - eca) + self.leak * (v - v_pre)


def network(synapse, n=2, plain=False, **options) -> cx.Model:
    cell = cx.Cell(cx.cylinder(20.0, 10.0), v0=-65.0, temperature=22.0)
    cell = cell.paint("all", hh=HH(), ca=Fixed(ci=1e-4, co=2.0))
    net = cx.Network().add("s", cx.SpikeSource(), n).add("a", cell, n).add("b", cell, 3)
    options = {"weight": 2e-3, "delay": 1.0137, "name": "syn"} | options
    net = net.connect("s", "a", ExpSyn(), weight=8e-3, rule=cx.one_to_one())
    return net.connect("s" if plain else "a", "b", synapse, **options).discretize(cx.PerBranch(1))


SPIKES = cx.Spikes("s", [[1.0, 1.01, 7.03], [2.2, 4.1]])


def run(model, method, t1=14.0, record=None, **options):
    return cx.simulate(model, t1, 0.05, [SPIKES], record or {"v": "b"}, method, **options)


@pytest.mark.parametrize("method", METHODS, ids=ids)
@pytest.mark.parametrize(
    "options",
    [{}, {"delay": [[1.0, 1.51, 2.0], [0.7, 3.3, 1.0]]}, {"surrogate": FastSigmoid()}],
    ids=["alike", "delays", "surrogate"],
)
def test_a_weight_in_the_state_is_a_weight_before_it(method, options):
    """Two spikes of a source in one step among them."""
    plain = "surrogate" not in options
    one, other = (network(s, plain=plain, **options) for s in (ExpSyn(), Whole()))
    record = {
        "v": "b",
        "i": "{}->b.syn.current".format("s" if plain else "a"),
        "g": "{}->b.syn.conductance".format("s" if plain else "a"),
    }
    a, b = (run(m, method, record=record) for m in (one, other))
    for name in record:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-9, atol=1e-12)
    if method.order == 2:
        return
    slopes = [
        jax.grad(lambda p, m=m: run(m.replace(p), method)["v"].mean())(dict(m.params)) for m in (one, other)
    ]
    for name, slope in slopes[0].items():
        np.testing.assert_allclose(slope, slopes[1][name], rtol=1e-7, atol=1e-11, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS, ids=ids)
def test_gradients_and_restart(method):
    Rich().check()
    assert Rich.takes_weight() and set(Rich().readings()) == {"v", "celsius", "weight", "t", "v_pre", "eca"}
    model = network(Rich())
    record = {"v": "b", "g": "a->b.syn.g"}
    options = {"t1": 14.0, "dt": 0.05, "inputs": [SPIKES], "record": record, "method": method}
    assert cx.plan(model, **options).executor == "native"

    @jax.jit
    def loss(params):
        return run(model.replace(params), method)["v"].mean()

    # With `BackwardEuler` a spike counts from the end of its step: differences by the threshold see whole steps.
    names = ("weight", "delay", "tau", "most", "back", "leak", "threshold")[: 6 if method.order == 1 else 7]
    paths = {name: f"a->b.syn.{name}" for name in names}
    start = {p: model.params[p] for p in paths.values()}
    found = jax.grad(loss)(start)
    for name in names:
        path = paths[name]
        shape, x = model.params[path].shape, float(model.params[path].ravel()[0])
        h = 1e-4 * abs(x)
        at = lambda s, path=path, shape=shape, x=x: {**start, path: jnp.full(shape, x + s)}  # noqa: E731
        central = (8 * (loss(at(h)) - loss(at(-h))) - (loss(at(2 * h)) - loss(at(-2 * h)))) / (12 * h)
        np.testing.assert_allclose(found[path].sum(), central, rtol=1e-6, err_msg=name)
    whole, half = run(model, method, record=record), run(model, method, 7.0, record)
    assert whole["g"].shape == (281, 2, 3)
    rest = run(model, method, 7.0, record, state=half.state, continued=True)
    for name in record:
        np.testing.assert_array_equal(rest[name], whole[name][140:])


def test_a_plastic_weight_is_that_of_the_arrival():
    """The synapse keeps what it was given, where a weight that multiplies its signal changes all of it."""
    model = network(Whole(), plain=True, plasticity=STDP(), weight=2e-2)
    record = {"g": "s->b.syn.g", "w": "s->b.syn.w", "v": "b"}
    sol = run(model, METHODS[0], record=record)
    jumps = np.diff(np.asarray(sol["g"]), axis=0)
    last = int(np.flatnonzero(jumps[:, 0, 0] > 1e-3)[-1])
    decay = np.exp(-0.05 / 2.0)
    weight = float(sol["w"][last, 0, 0])
    assert abs(weight - 2e-2) > 1e-5
    lag = 1.0137 + 7.03 - float(sol.ts[last])
    expected = sol["g"][last, 0, 0] * decay + weight * np.exp(-(0.05 - lag) / 2.0)
    np.testing.assert_allclose(sol["g"][last + 1, 0, 0], expected, rtol=1e-9)


def test_weights_differ_from_edge_to_edge():
    weights = np.array([[1e-3, 4e-3, 0.0], [2e-3, 0.0, 3e-3]])
    model = network(Rich(), weight=weights)
    g = run(model, METHODS[0], record={"g": "a->b.syn.g"})["g"]
    assert np.all((g.max(axis=0) > 0.0) == (weights > 0.0))


class Deaf(EventSynapse):
    """A resistance to the other cell: spikes do not concern it."""

    g: Param = param(1e-3, "uS", lo=0.0)

    def gates(self):
        return {}

    def event(self, weight):
        return {}

    def release(self):
        return {}

    def current(self, v, g, v_pre):
        return self.g * (v - v_pre)


def test_spikes_do_not_concern_a_synapse_that_returns_nothing():
    model = network(Deaf())
    v = run(model, METHODS[0])["v"]
    np.testing.assert_array_equal(v, run(network(Deaf(), weight=0.5, delay=3.0), METHODS[0])["v"])
    assert np.ptp(v) > 1.0


class Stray(EventSynapse):
    """Takes what nothing provides."""

    def gates(self):
        return {"g": Gate.relax(0.0, 1.0)}

    def event(self, weight, g, wind):
        return {"g": g + weight * wind}

    def release(self, g):
        return g

    def current(self, v, g):
        return g * v


class Named(EventSynapse):
    """Has a state of a name that is given to it."""

    def gates(self):
        return {"t": Gate.relax(0.0, 1.0)}

    def event(self, weight, t):
        return {"t": t + weight}

    def release(self, t):
        return t

    def current(self, v, g):
        return g * v


@pytest.mark.parametrize(("cls", "says"), [(Stray, "takes 'wind'"), (Named, "state 't'")])
def test_methods_that_do_not_fit_are_refused(cls, says):
    with pytest.raises(ParameterError) as error:
        cls().check()
    assert says in one_line(error)


def test_what_is_not_there_is_said_in_one_line():
    with pytest.raises(ParameterError) as error:
        network(Rich(), plain=True)
    assert "spike sources have no voltage" in one_line(error)
    cell = cx.Cell(cx.cylinder(20.0, 10.0), v0=-65.0, temperature=22.0).paint("all", leak=Leak())
    for paint, says in (({}, "nobody provides the ion 'ca'"), ({"ca": Reversal(e=1.0)}, "")):
        painted = cell.paint("all", **paint) if paint else cell
        net = cx.Network().add("a", painted).add("b", painted).connect("a", "b", Rich())
        if says:
            with pytest.raises(ParameterError) as error:
                net.discretize(cx.PerBranch(1))
            assert says in one_line(error)
        else:
            assert net.discretize(cx.PerBranch(1)).params["a->b.rich.tau"] == 3.0
