"""One choice for all kernels: by argument, by environment, by what is there; honoured by whole simulations."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from random_forests import case

import cajax as cx
from cajax.base.errors import CajaxError, ParameterError, UnknownNameError
from cajax.mech import HH, STDP, ExpSyn, Graded, Leak
from cajax.solve import BACKENDS, Graph, Index, due, native, product, solve, spread, take
from cajax.solve.backend import BACKEND_VARIABLE, chosen_backend

DOUBLE = np.dtype(float)
needs_native = pytest.mark.skipif(not native.available(), reason="the native kernels were not built")


@pytest.fixture
def fresh():
    """Programs are traced anew: the choice is made while tracing."""
    jax.clear_caches()
    yield
    jax.clear_caches()


def calls(function, *operands) -> list[str]:
    """The native calls in the program of a function."""
    return re.findall(r"custom_call @(cajax_\w+)", jax.jit(function).lower(*operands).as_text())


@needs_native
def test_the_argument_counts_before_the_environment_before_the_default(monkeypatch):
    monkeypatch.delenv(BACKEND_VARIABLE, raising=False)
    assert BACKENDS == ("native", "jax")
    assert chosen_backend(None, DOUBLE) is None
    for name in BACKENDS:
        monkeypatch.setenv(BACKEND_VARIABLE, name)
        assert chosen_backend(None, DOUBLE) == name
        assert chosen_backend("jax", DOUBLE) == "jax" and chosen_backend("native", DOUBLE) == "native"
    monkeypatch.setenv(BACKEND_VARIABLE, "")
    assert chosen_backend(None, DOUBLE) is None and chosen_backend(None, np.dtype(np.float16)) == "jax"


def test_unknown_names_and_missing_kernels_are_reported(monkeypatch):
    with pytest.raises(UnknownNameError, match="no solve backend 'nativ'; did you mean 'native'"):
        chosen_backend("nativ", DOUBLE)
    monkeypatch.setenv(BACKEND_VARIABLE, "gpu")
    with pytest.raises(UnknownNameError, match="CAJAX_SOLVE"):
        chosen_backend(None, DOUBLE)
    with pytest.raises(ParameterError, match="no float16"):
        chosen_backend("native", np.dtype(np.float16))
    monkeypatch.delenv(BACKEND_VARIABLE)
    monkeypatch.setattr(native, "available", lambda: False)
    assert chosen_backend(None, DOUBLE) == "jax"
    with pytest.raises(CajaxError, match="reinstall"):
        chosen_backend("native", DOUBLE)


def kernels(backend):
    """Every kernel with its operands."""
    some, index = case(1, [(6, 2)]), Index([0, 3, 4, 11], 12)
    graph = Graph([0, 1, 1], [0, 0, 2], 2, 3)
    times, delay, pre = jnp.ones((2, 3)), jnp.ones(4), np.array([0, 2, 1, 1], np.int32)
    x, y, w, s = jnp.ones(12), jnp.ones(4), jnp.ones(3), jnp.ones(2)
    return {
        "solve": (lambda *v: solve(some.forest, *v, backend=backend), some.operands()),
        "spread": (lambda y: spread(y, index, backend=backend), (y,)),
        "the transpose of take": (jax.grad(lambda x: jnp.sum(take(x, index, backend=backend) ** 2)), (x,)),
        "product": (lambda w, s: product(w, s, graph, backend=backend), (w, s)),
        "the transpose of product": (
            jax.grad(lambda w, s: jnp.sum(product(w, s, graph, backend=backend) ** 2)),
            (w, s),
        ),
        "due": (lambda a: due(a, a, a, delay, 0.1, pre, backend=backend), (times,)),
    }


@needs_native
@pytest.mark.parametrize("name", kernels(None))
def test_every_kernel_honours_its_argument(name, monkeypatch):
    for variable in ("", *BACKENDS):
        monkeypatch.setenv(BACKEND_VARIABLE, variable)
        assert not calls(*spell(kernels("jax")[name])) and calls(*spell(kernels("native")[name]))


@needs_native
@pytest.mark.parametrize("name", kernels(None))
def test_every_kernel_honours_the_environment(name, monkeypatch):
    for variable, wanted in (("jax", False), ("native", True), ("", True)):
        monkeypatch.setenv(BACKEND_VARIABLE, variable)
        assert bool(calls(*spell(kernels(None)[name]))) == wanted


def spell(kernel):
    function, operands = kernel
    return function, *operands


def cell() -> tuple[cx.Model, list, dict]:
    model = cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak()).paint("apical", hh=HH())
    return model.discretize(cx.PerBranch(5)), [cx.IClamp("soma", 0.1, 1.0, 0.2)], {"v": cx.every_cv("apical")}


def network() -> tuple[cx.Model, list, dict]:
    """Events with a delay per edge, sparse graded synapses, plasticity."""
    point = cx.Cell(cx.ball_and_stick()).paint("all", hh=HH())
    net = cx.Network().add("s", cx.SpikeSource(), 3).add("a", point, 3).add("b", point, 3)
    some = cx.edges([[0, 0], [0, 1], [2, 1]])
    net = (
        net.connect("s", "a", ExpSyn(), some, weight=1e-3, delay=cx.each("edge", [0.3, 0.4, 0.5]))
        .connect("a", "b", Graded(), some, weight=1e-3)
        .connect("a", "b", ExpSyn(), some, at="apical", weight=1e-3, delay=0.3, plasticity=STDP())
    )
    return net.discretize(cx.PerBranch(3)), [cx.Spikes("s", [0.2])], {"v": "b", "w": "a->b.expsyn.w"}


def simulated(model, inputs, record):
    def loss(params):
        sol = cx.simulate(model.replace(params), 1.0, 0.1, inputs, record)
        return sum(jnp.mean(x) for x in sol.records.values())

    return loss


@needs_native
@pytest.mark.parametrize("case", [cell, network], ids=lambda f: f.__name__)
def test_no_native_call_is_left_in_a_simulation_on_jax(case, monkeypatch, fresh):
    model, inputs, record = case()
    loss = simulated(model, inputs, record)
    kinds = {"cell": {"solve", "spread"}, "network": {"solve", "spread", "sparse", "due"}}[case.__name__]
    monkeypatch.delenv(BACKEND_VARIABLE, raising=False)
    monkeypatch.setenv("CAJAX_BACKEND", "xla")  # the kernels of JAX's scan; a compiled run is one call
    found = {name.split("_")[-2] for name in calls(jax.grad(loss), model.params)}
    assert found == kinds
    monkeypatch.delenv("CAJAX_BACKEND")
    value = jax.jit(loss)(model.params)
    monkeypatch.setenv(BACKEND_VARIABLE, "jax")
    jax.clear_caches()
    assert calls(loss, model.params) == [] and calls(jax.grad(loss), model.params) == []
    np.testing.assert_allclose(jax.jit(loss)(model.params), value, rtol=1e-12)
