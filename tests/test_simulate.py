import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.base.errors import NonFiniteError, ParameterError, ProtocolError, UnknownNameError
from cajax.mech import Leak

from .helpers import active, joined, passive, raises

CLAMP = cx.IClamp("soma", 0.0, 1.0, 0.1)


def go(model=None, t1=0.1, dt=0.05, **options):
    return cx.simulate(model or active(), t1, dt, **options)


@pytest.mark.parametrize(
    ("t1", "dt", "n"), [(0.1, 0.05, 2), (1.0, 0.3, 3), (0.04, 0.05, 1), ("0.1 ms", "50 us", 2)]
)
def test_times(t1, dt, n):
    sol = go(t1=t1, dt=dt)
    step = 0.05 if isinstance(dt, str) else dt
    np.testing.assert_allclose(sol.ts, step * np.arange(n + 1), rtol=1e-12)
    assert sol["v"].shape == (n + 1,) and bool(sol.finite)
    assert float(sol.state.t) == float(sol.ts[-1])


def test_default_recordings():
    assert list(go().records) == ["v"]
    assert {k: v.shape for k, v in go(joined()).records.items()} == {"a": (3, 2), "b": (3, 3)}
    bare = cx.Cell(cx.cylinder(50.0, 1.0, tag="axon")).paint("all", leak=Leak()).discretize(cx.PerBranch(1))
    assert go(bare)["v"].shape == (3,)
    assert go(record={}).records == {}


def test_the_first_entry_is_the_start():
    assert float(go()["v"][0]) == -65.0
    state = go().state
    for continued, start in ((False, 0.0), (True, 0.1)):
        sol = go(state=state, continued=continued)
        assert float(sol.ts[0]) == pytest.approx(start) and float(sol["v"][0]) == float(state.v[1])


def test_a_run_goes_on_with_another_step():
    sol = go(state=go().state, continued=True, dt=0.025)
    np.testing.assert_allclose(sol.ts, 0.1 + 0.025 * np.arange(5), rtol=1e-12)


def test_amplitudes_of_a_population():
    amps = jnp.array([0.0, 0.1, 0.2])
    v = go(joined(), inputs=[cx.IClamp("b", 0.0, 1.0, amps)])["b"]
    assert (jnp.diff(v[-1]) > 0).all()
    one = go(joined(), inputs=[cx.IClamp(("b", "soma"), 0.0, 1.0, 0.2)])["b"]
    np.testing.assert_allclose(one[:, 0], v[:, 2], rtol=1e-14)


def test_transforms_compose():
    def loss(amp, model):
        return jnp.sum(go(model, inputs=[cx.IClamp("soma", 0.0, 1.0, amp)])["v"])

    amps = jnp.array([0.1, 0.2])
    slopes = jax.jit(jax.vmap(jax.grad(loss), (0, None)))(amps, active())
    assert slopes.shape == (2,) and (slopes > 0).all()


def test_nan_names_time_and_place():
    good = active()
    sick = dataclasses.replace(good, params={**good.params, "soma.kd.g": jnp.asarray(jnp.nan)})
    raises(lambda: go(sick), "t = 0.05 ms", "'soma.kd.g' is not finite", kind=NonFiniteError)
    wild = [cx.Current(cx.at(1, 1.0), [0.0, 0.0, 1e306, 1e308], 0.05)]
    raises(
        lambda: go(inputs=wild, t1=0.5),
        "t = ",
        "branch 1 (apical), x = 0.75",
        "smaller dt",
        kind=NonFiniteError,
    )
    assert not go(sick, throw=False).finite
    assert not jax.jit(lambda m: go(m).finite)(sick)


def test_describe_finds_the_cell():
    s = joined().structure
    cvs = s.sites(("b", cx.at(1, 0.0)))
    assert s.describe(int(cvs[2])) == "'b' cell 2, branch 1 (apical), x = 0.25"
    assert active().structure.describe(0) == "branch 0 (soma), x = 0.25"


MISTAKES = {
    "recipe": (lambda: cx.simulate(passive(), 1.0), ParameterError, (".discretize(",)),
    "recording": (lambda: go()["typo"], UnknownNameError, ("'typo'", "'v'")),
    "short": (lambda: go(t1=0.01, dt=0.05), ProtocolError, ("t1 = 0.01", "dt = 0.05")),
    "negative dt": (lambda: go(dt=-0.1), ProtocolError, ("dt = -0.1", "positive")),
    "infinite": (lambda: go(t1=np.inf), ProtocolError, ("t1 = inf",)),
    "unit of t1": (lambda: go(t1="1 mV"), cx.CajaxError, ("t1", "ms")),
    "traced dt": (lambda: jax.jit(lambda dt: go(dt=dt)["v"])(0.1), ProtocolError, ("dt is traced",)),
    "traced t1": (lambda: jax.jit(lambda t1: go(t1=t1)["v"])(0.1), ProtocolError, ("t1 is traced",)),
    "record text": (lambda: go(record="soma"), ProtocolError, ("{'v': 'soma'}",)),
    "record list": (lambda: go(record=["soma"]), ProtocolError, ("{'v': 'soma'}",)),
    "record lists": (lambda: go(record={"v": ["soma", "apical"]}), ProtocolError, ("one place",)),
    "record tuple": (lambda: go(record={"v": ("soma", "apical")}), cx.CajaxError, ("location",)),
    "one input": (lambda: go(inputs=CLAMP), ProtocolError, ("[IClamp(…)]",)),
    "no input": (lambda: go(inputs=None), ProtocolError, ("list",)),
    "input class": (lambda: go(inputs=[cx.IClamp]), ProtocolError, ("IClamp(",)),
    "late": (
        lambda: go(inputs=[cx.IClamp("soma", 5.0, 1.0, 0.1)]),
        ProtocolError,
        ("5 ms", "ends at 0.1 ms"),
    ),
    "region": (lambda: go(inputs=[cx.IClamp("soam", 0.0, 1.0, 0.1)]), UnknownNameError, ("'soma'",)),
    "amp": (lambda: go(inputs=[cx.IClamp("soma", 0.0, 1.0, np.ones(3))]), ParameterError, ("(3,)", "'soma'")),
    "amps": (
        lambda: go(joined(), inputs=[cx.IClamp("b", 0.0, 1.0, np.ones(2))]),
        ParameterError,
        ("(2,)", "(3,)"),
    ),
    "bare": (lambda: go(joined(), inputs=[CLAMP]), UnknownNameError, ("population 'soma'",)),
    "waveform": (lambda: go(inputs=[cx.VClamp("soma", np.ones(9))]), ParameterError, ("(9,)",)),
    "method": (lambda: go(method="BackwardEuler"), ProtocolError, ("Staggered()",)),
    "method class": (lambda: go(method=cx.BackwardEuler), ProtocolError, ("Staggered()",)),
    "adjoint": (lambda: go(adjoint=cx.Checkpointed), ProtocolError, ("Checkpointed()",)),
    "state": (lambda: go(state=go()), ProtocolError, (".state",)),
    "continued": (lambda: go(continued=True), ProtocolError, ("state",)),
    "continued?": (lambda: go(state=go().state, continued=1), ProtocolError, ("True",)),
    "other state": (lambda: go(state=go(joined()).state), ProtocolError, ("another model",)),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(mistake):
    function, kind, parts = MISTAKES[mistake]
    raises(function, *parts, kind=kind)
