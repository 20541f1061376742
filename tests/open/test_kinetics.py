"""A kind of kinetics of one's own, in one file outside the package: a gate that hears the voltage with a delay."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import Channel, Kd, Kinetics, Leak, Na, Param, param

METHODS = (cx.BackwardEuler(), cx.Staggered())


class Delayed(Kinetics):
    """A chain of `stages` first-order filters, each of rate `rate` (1/ms), from `target` to the last one.

    The last filter follows the target by stages/rate ms on average (the linear chain trick). Exact at a fixed target:
    each error x_k − target is a sum of rate^j t^j/j! exp(−rate t) of the errors before it.
    """

    target: jax.Array
    rate: jax.Array
    stages: int = 3

    def names(self, own):
        return tuple(f"{own}{k}" for k in range(self.stages))

    def rest(self, own):
        return dict.fromkeys(self.names(own), self.target)

    def advance(self, own, now, dt, order):
        x = dt * self.rate
        error, decay = [now[name] - self.target for name in self.names(own)], jnp.exp(-x)
        after = {}
        for k, name in enumerate(self.names(own)):
            term, total = decay, 0.0
            for j in range(k + 1):
                total = total + term * error[k - j]
                term = term * x / (j + 1)
            after[name] = self.target + total
        return after

    def scaled(self, factor):
        return Delayed(self.target, self.rate * factor, self.stages)

    def needed(self, own):
        return self.names(own)[-1:]


class Late(Channel):
    """Potassium that opens some time after the voltage rose."""

    g: Param = param(2e-3, "S/cm2")
    rate: Param = param(1.5, "1/ms", lo=1e-3)

    def gates(self, v):
        return {"w": Delayed(1.0 / (1.0 + jnp.exp(-(v + 40.0) / 8.0)), self.rate + 0.0 * v)}

    def current(self, v, w2):
        return self.g * w2 * (v + 90.0)


CLAMP = cx.IClamp("soma", 0.5, 20.0, 0.4)
RECORD = {"v": "soma", "w0": "soma.late.w0", "w": "soma.late.w2", "i": "soma.late.i"}


@pytest.fixture(scope="module")
def model():
    cell = cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak(), na=Na(), kd=Kd(), late=Late())
    return cell.discretize(cx.PerBranch(1))


def mean(params, model, method=METHODS[1], amp=0.4):
    sol = cx.simulate(model.replace(params), 3.0, 0.05, [cx.IClamp("soma", 0.5, 20.0, amp)], RECORD, method)
    return jnp.mean(sol["v"]) + jnp.mean(sol["w"])


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_it_runs_under_jit_and_restarts_exactly(model, method):
    Late().check()

    def run(t1, **options):
        return cx.simulate(model, t1, 0.05, [CLAMP], RECORD, method, **options)

    whole, half = run(4.0), run(2.0)
    rest = run(2.0, state=half.state, continued=True)
    for a, b in zip(jax.tree.leaves(rest.state), jax.tree.leaves(whole.state), strict=True):
        np.testing.assert_array_equal(a, b)
    for name in RECORD:
        np.testing.assert_allclose(rest[name], whole[name][40:], rtol=1e-14)
    assert float(whole["w"].max()) > 0.1 and float(jnp.argmax(whole["w"])) > float(jnp.argmax(whole["w0"]))
    jitted = jax.jit(lambda m: cx.simulate(m, 4.0, 0.05, [CLAMP], RECORD, method).records)(model)
    np.testing.assert_allclose(jitted["v"], whole["v"], rtol=1e-10)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_gradients_equal_central_differences(model, method):
    for name, x in (("all.late.rate", 1.5), ("all.late.g", 2e-3)):
        found, h = jax.grad(mean)({name: jnp.asarray(x)}, model, method)[name], 1e-5 * x
        central = (mean({name: x + h}, model, method) - mean({name: x - h}, model, method)) / (2 * h)
        np.testing.assert_allclose(found, central, rtol=1e-6)


def test_vmap_equals_a_loop(model):
    amps = jnp.array([0.1, 0.4, 0.8])
    many = jax.vmap(lambda a: mean({}, model, amp=a))(amps)
    np.testing.assert_allclose(many, [mean({}, model, amp=a) for a in amps], rtol=1e-12)


def test_it_is_saved_and_loaded(model, tmp_path):
    path = cx.save(tmp_path / "late", model.replace({"all.late.rate": 2.5}))
    loaded = cx.load(path)
    a, b = (
        cx.simulate(m, 2.0, 0.05, [CLAMP], RECORD) for m in (loaded, model.replace({"all.late.rate": 2.5}))
    )
    for name in RECORD:
        np.testing.assert_array_equal(a[name], b[name])
