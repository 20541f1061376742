"""Derivatives of features are those of central differences of the values between samples, in both modes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.fitting import FEATURES, efeatures
from cajax.mech import HH

from .traces import moved, trace

NAMES = tuple(FEATURES)
ALL = {"most": 12, "amplitude": 0.1}


def difference(f, x, u, steps=(1e-3, 1e-4, 3e-5, 1e-5)):
    """Central differences of fourth order of a dictionary of arrays along `u`, one for each step."""
    rows = [([f(x + k * h * u) for k in (1, -1, 2, -2)], h) for h in steps]
    return [
        {k: np.asarray(8.0 * (a[k] - b[k]) - (c[k] - d[k])) / (12.0 * h) for k in a}
        for (a, b, c, d), h in rows
    ]


def check(f, x, u, slack):
    """Compare the derivative along `u` with differences; the best of a few steps counts, for each entry."""
    values, tangent = jax.jvp(f, (x,), (u,))
    rows = difference(f, x, u)
    for name in values:
        value, slope = np.asarray(values[name]), np.asarray(tangent[name])
        real = np.isfinite(value)
        assert np.isfinite(slope).all() and (slope[~real] == 0.0).all(), name
        size = np.abs(slope[real]) + 1e-3 * np.abs(value[real]) + 1e-6
        errors = np.stack([np.abs(row[name][real] - slope[real]) / size for row in rows])
        assert (errors.min(0) < slack).all(), f"{name}: {errors.min(0).max()}"
    return values, tangent


def moving(p):
    return efeatures(moved(p), 0.05, NAMES, 100.0, 300.0, exact=True, **ALL)


@pytest.fixture(scope="module")
def derivatives():
    x, u = jnp.array([0.3, 0.12, -0.21]), jnp.array([0.6, -0.5, 0.7])
    return x, u, *check(jax.jit(moving), x, u, slack=2e-6)


def test_derivatives_are_differences_on_spikes_that_move(derivatives):
    _, _, values, tangent = derivatives
    still = {k for k, y in tangent.items() if not np.any(y)}
    counted = {k for k, y in values.items() if np.isfinite(y).any() and k in still}
    assert counted == {
        *("Spikecount", "spike_count", "Spikecount_stimint", "spike_count_stimint", "number_initial_spikes"),
        *("burst_number", "depol_block_bool"),
    }


def test_reverse_is_the_transpose_of_forward(derivatives):
    x, u, values, tangent = derivatives
    rng = np.random.default_rng(0)
    weights = jax.tree.map(lambda y: jnp.asarray(rng.normal(size=y.shape)), values)
    [gradient] = jax.jit(lambda x: jax.vjp(moving, x)[1](weights))(x)
    forward = sum(float((weights[k] * tangent[k]).sum()) for k in values)
    np.testing.assert_allclose(gradient @ u, forward, rtol=1e-9)


def test_values_of_efel_have_the_derivatives_of_the_event_between_samples(derivatives):
    x, u, values, tangent = derivatives
    names = (
        "peak_time",
        "peak_voltage",
        "AP_begin_time",
        "AP_begin_voltage",
        "min_AHP_values",
        "AHP_time_from_peak",
    )
    own, slope = jax.jvp(lambda p: efeatures(moved(p), 0.05, names, 100.0, 300.0, **ALL), (x,), (u,))
    for name in names:
        # Half of the height, and so the width there, is that between eFEL's samples.
        slack = 0.02 if "half" in name else 1e-9
        np.testing.assert_allclose(slope[name], tangent[name], rtol=slack, err_msg=name)
        assert np.nanmax(np.abs(own[name] - values[name])) > 0.0, name
    grid = np.asarray(own["peak_time"])[:6] * 10.0
    np.testing.assert_allclose(grid, np.round(grid), atol=1e-6)


@pytest.mark.slow
def test_derivatives_do_not_depend_on_how_a_spike_lies_between_the_samples():
    """A train that only moves: times move with it, heights and widths do not, whichever samples it falls on."""

    def shifted(by):
        v = trace(jnp.array([120.0, 160.0, 205.0]) + by, on=-1e3, off=1e3)
        return efeatures(v, 0.05, NAMES, 100.0, 300.0, **ALL)

    found = jax.jit(jax.vmap(jax.jacfwd(shifted)))(jnp.linspace(0.0, 0.1, 7))
    for name, moves in (("peak_time", 1.0), ("AP_begin_time", 1.0), ("peak_voltage", 0.0), ("AP_width", 0.0)):
        np.testing.assert_allclose(found[name][:, :3], moves, atol=0.02, err_msg=name)


@pytest.mark.slow
def test_derivatives_under_vmap_and_in_batches_are_those_of_single_traces(derivatives):
    x, _, _, _ = derivatives
    names = ("peak_time", "AP_amplitude", "AHP_depth", "voltage_base")
    xs = x[None] + jnp.linspace(-0.02, 0.02, 10)[:, None]

    def loss(found):
        return sum(jnp.nansum(y * y) for y in found.values())

    def one(x):
        return loss(efeatures(moved(x), 0.05, names, 100.0, 300.0, **ALL))

    def batch(xs):
        return loss(efeatures(jax.vmap(moved)(xs), 0.05, names, 100.0, 300.0, **ALL))

    expected = jax.jit(jax.vmap(jax.grad(one)))(xs)
    np.testing.assert_allclose(jax.jit(jax.grad(batch))(xs), expected, rtol=1e-9)
    np.testing.assert_allclose(jax.jit(jax.grad(lambda xs: jax.vmap(one)(xs).sum()))(xs), expected, rtol=1e-9)
    np.testing.assert_allclose(jax.jit(jax.vmap(jax.jacfwd(one)))(xs[:2]), expected[:2], rtol=1e-9)
    np.testing.assert_allclose(jax.grad(one)(xs[3]), expected[3], rtol=1e-9)


def test_derivatives_of_a_simulated_cell_are_differences():
    model = cx.Cell(cx.cylinder(20.0, 20.0)).paint("all", hh=HH()).discretize(cx.PerBranch(1))
    clamp = cx.IClamp("all", delay=15.0, dur=60.0, amp=0.2)

    def features(scale):
        changed = model.replace({"all.hh.gna": 0.12 * scale[0], "all.hh.gk": 0.036 * scale[1]})
        v = cx.simulate(changed, t1=100.0, dt=0.025, inputs=[clamp])["v"]
        return efeatures(v, 0.025, NAMES, 15.0, 75.0, exact=True, **ALL)

    values, _ = check(jax.jit(features), jnp.array([1.02, 0.97]), jnp.array([1.0, 0.4]), slack=1e-5)
    assert values["Spikecount"] == 4.0
