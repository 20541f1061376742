"""`efeatures` as a function: its arguments, shapes and transformations, and what it does where nothing is found."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cajax.base.errors import ParameterError, UnknownNameError
from cajax.fitting import FEATURES, efeatures
from tests.helpers import raises

from .traces import trace

FEW = (
    "Spikecount",
    "peak_time",
    "AP_amplitude",
    "AHP_depth",
    "ISI_CV",
    "voltage_base",
    "AP_duration_half_width",
)
SPIKES = np.array([120.0, 150.3, 190.1, 240.7])


@pytest.fixture(scope="module")
def v():
    return np.asarray(trace(SPIKES))


def same(a, b, rtol=1e-12):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=rtol, atol=1e-12, err_msg=name)


def test_one_value_or_one_for_every_spike(v):
    found = efeatures(v, 0.05, FEW, 100.0, 300.0, most=8)
    assert {k: x.shape for k, x in found.items()} == {k: (8,) if FEATURES[k].per_spike else () for k in FEW}
    assert found["Spikecount"] == 4
    peaks = np.asarray(found["peak_time"])
    np.testing.assert_allclose(peaks[:4], SPIKES + 0.4, atol=0.2)
    assert np.isnan(peaks[4:]).all() and np.isfinite(found["AP_duration_half_width"][:4]).all()


def test_times_may_be_given_in_several_ways(v):
    t = np.arange(len(v)) * 0.05
    expected = efeatures(v, 0.05, FEW, 100.0, 300.0)
    same(efeatures(v, t, FEW, 100.0, 300.0), expected)
    same(efeatures(jnp.asarray(v), jnp.asarray(t, jnp.float32), FEW, "100 ms", "0.3 s"), expected)
    later = efeatures(v, t + 50.0, FEW, 150.0, 350.0)
    np.testing.assert_allclose(later["peak_time"], expected["peak_time"] + 50.0)
    np.testing.assert_allclose(later["AP_amplitude"], expected["AP_amplitude"], rtol=1e-6)
    same(efeatures(v.tolist(), 0.05, "Spikecount", 100.0, 300.0), {"Spikecount": expected["Spikecount"]})


def test_a_batch_is_its_traces_one_by_one_and_vmap_is_a_batch(v):
    rng = np.random.default_rng(0)
    many = np.stack(
        [np.asarray(trace(SPIKES + rng.uniform(-5, 5, 4), step=s)) for s in rng.uniform(5, 15, 22)]
    )
    many = many.reshape(2, 11, -1)
    on, amplitude = np.array([[100.0], [100.13]]), np.linspace(0.1, 0.2, 11)
    names = (*FEW, "ohmic_input_resistance", "decay_time_constant_after_stim")
    batch = efeatures(many, 0.05, names, on, 300.0, amplitude=amplitude)
    assert batch["peak_time"].shape == (2, 11, 128) and batch["ISI_CV"].shape == (2, 11)
    for i, j in ((0, 0), (1, 10), (0, 7)):
        one = efeatures(many[i, j], 0.05, names, float(on[i, 0]), 300.0, amplitude=amplitude[j])
        same({k: x[i, j] for k, x in batch.items()}, one, rtol=1e-9)

    def single(v, on, amplitude):
        return efeatures(v, 0.05, names, on, 300.0, amplitude=amplitude)

    mapped = jax.jit(jax.vmap(jax.vmap(single, (0, None, 0)), (0, 0, None)))(many, on[:, 0], amplitude)
    same(mapped, batch, rtol=1e-9)


def test_single_precision_finds_the_same_spikes(v):
    double, single = (
        efeatures(jnp.asarray(v, d), 0.05, FEW, 100.0, 300.0) for d in (jnp.float64, jnp.float32)
    )
    assert all(x.dtype == jnp.float32 for x in single.values())
    same({k: x.astype(float) for k, x in single.items()}, double, rtol=1e-4)


def test_what_does_not_exist_is_nan_with_a_derivative_of_zero():
    flat = jnp.full(8000, -70.0)
    names = tuple(name for name in FEATURES if FEATURES[name].of in ("spikes", "spiking"))

    def values(v):
        return efeatures(v, 0.05, names, 100.0, 300.0, amplitude=0.1)

    found, back = jax.vjp(values, flat)
    zero = {"Spikecount_stimint", "spike_count_stimint", "burst_number", "depol_block_bool"}
    assert all(x == 0.0 if name in zero else np.isnan(x).all() for name, x in found.items())
    [gradient] = back(jax.tree.map(jnp.ones_like, found))
    assert (gradient == 0.0).all()
    tangent = jax.jvp(values, (flat,), (jnp.ones_like(flat),))[1]
    assert all((x == 0.0).all() for x in tangent.values())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_run_that_failed_has_no_features_and_no_derivative(v, bad):
    failed = jnp.asarray(v).at[5000:].set(bad)

    def total(v):
        return sum(jnp.where(jnp.isfinite(x), x, 0.0).sum() + x.sum() for x in values(v).values())

    def values(v):
        return efeatures(v, 0.05, FEW, 100.0, 300.0)

    assert all(np.isnan(x).all() for x in values(failed).values())
    assert (jax.grad(total)(failed) == 0.0).all()


def test_more_spikes_than_room_are_counted_and_hide_what_depends_on_them(v):
    found = efeatures(v, 0.05, (*FEW, "Spikecount_stimint"), 100.0, 300.0, most=3)
    assert found["Spikecount"] == 4
    hidden = {k for k, x in found.items() if np.isnan(x).all()}
    assert hidden == {*FEW, "Spikecount_stimint"} - {"Spikecount", "voltage_base"}


def test_a_trace_that_starts_and_ends_above_the_threshold():
    v = np.array(trace(np.array([150.0])))
    v[:20], v[-20:] = 0.0, 0.0
    assert efeatures(v, 0.05, "Spikecount", 100.0, 300.0)["Spikecount"] == 1.0
    assert efeatures(v, 0.05, "Spikecount", 100.0, 300.0, threshold=100.0)["Spikecount"] == 0.0


def test_a_finer_clock_comes_closer_to_the_peaks(v):
    exact = efeatures(v, 0.05, "peak_time", 100.0, 300.0, exact=True)["peak_time"][:4]
    for step, slack in ((0.1, 0.051), (0.05, 0.026)):
        grid = efeatures(v, 0.05, "peak_time", 100.0, 300.0, step=step)["peak_time"][:4]
        assert np.abs(grid - exact).max() < slack


def test_mistakes(v):
    def go(v=v, t=0.05, names=FEW, on=100.0, off=300.0, **more):
        return lambda: efeatures(v, t, names, on, off, **more)

    raises(go(names=["AP_amplitud"]), "AP_amplitude", kind=UnknownNameError)
    raises(go(names=["time_constant"]), "decay_time_constant_after_stim", kind=UnknownNameError)
    raises(go(names=[3]), "a name", kind=ParameterError)
    raises(go(off=90.0), "off = 90 ms must be later", kind=ParameterError)
    raises(go(on=[1.0, 2.0]), "on has shape (2,)", kind=ParameterError)
    raises(go(names="ohmic_input_resistance"), "amplitude=", kind=ParameterError)
    raises(go(t=np.arange(5.0)), "must agree", kind=ParameterError)
    raises(go(t=np.arange(len(v)) ** 1.01), "equal steps", kind=ParameterError)
    raises(go(t=-0.1), "positive", kind=ParameterError)
    raises(go(step=1e-9), "longer step", kind=ParameterError)
    raises(go(most=1), "most", kind=ParameterError)
    raises(go(exact="yes"), "True or False", kind=ParameterError)
    raises(go(v=3.0), "[..., time]", kind=ParameterError)
    raises(go(v=[-70.0]), "at least 2", kind=ParameterError)
    raises(go(v=np.array(["a", "b"])), "mV", kind=ParameterError)
    raises(
        lambda: jax.jit(lambda t: efeatures(v, t, FEW, 100.0, 300.0))(np.arange(len(v)) * 0.05), "t is traced"
    )
