"""Laws of the channels and graded synapses that stand for themselves; those that read ions have tests of their own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cajax import mech
from cajax.mech import Channel, Mechanism, Synapse

MODULES = ("hh", "leak", "pospischil2008", "synapses")


def _final(base: type) -> list[type]:
    found = [c for s in base.__subclasses__() for c in (s, *_final(s))]
    return [c for c in found if c.__module__.rpartition(".")[2] in MODULES]


CHANNELS, SYNAPSES = _final(Channel), _final(Synapse)
LIBRARY = CHANNELS + SYNAPSES
DTYPES = [np.float32, np.float64]
V = np.unique(np.concatenate([np.linspace(-150, 150, 601), [-62.0, -33.1, -27.0, 1e-9]]))

each_channel = pytest.mark.parametrize("cls", CHANNELS, ids=lambda c: c.__name__)
each_mechanism = pytest.mark.parametrize("cls", LIBRARY, ids=lambda c: c.__name__)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def test_nothing_is_skipped():
    exported = {x for x in vars(mech).values() if isinstance(x, type) and issubclass(x, Channel | Synapse)}
    assert set(LIBRARY) <= exported
    assert {c.__name__ for c in LIBRARY} >= {"HH", "Leak", "Na", "Kd", "Km", "CaL", "CaT", "Graded", "Rate"}


@each_mechanism
def test_it_is_documented_and_fits_together(cls):
    assert cls.__doc__ and len(cls.specs()) == len(jax.tree.leaves(cls()))
    cls().check()


@each_mechanism
@each_dtype
def test_gates_are_fractions_with_positive_rates(cls, dtype):
    for name, gate in cls().gates(jnp.asarray(V, dtype)).items():
        assert gate.inf.dtype == gate.rate.dtype == dtype, name
        assert np.all((gate.inf >= 0) & (gate.inf <= 1)), name
        assert np.all((gate.rate > 0) & np.isfinite(gate.rate)), name


def _summary(mechanism: Mechanism, v: jax.Array) -> jax.Array:
    """All steady states and (logarithms of) rates at one voltage in one number: any NaN or infinity shows."""
    gates = mechanism.gates(v).values()
    return sum((g.inf + jnp.log(g.rate) for g in gates), start=0.0 * v)


@each_mechanism
@each_dtype
def test_derivatives_are_finite(cls, dtype):
    mechanism = jax.tree.map(lambda x: jnp.asarray(x, dtype), cls())
    first = jax.grad(_summary, argnums=(0, 1))
    second = jax.grad(jax.grad(_summary, argnums=1), argnums=1)
    absurd = jnp.asarray([-1000.0, -500.0, 500.0, 1000.0], dtype)
    for f, v in ((first, jnp.asarray(V, dtype)), (first, absurd), (second, jnp.asarray(V, dtype))):
        out = jax.jit(jax.vmap(f, (None, 0)))(mechanism, v)
        assert all(np.all(np.isfinite(x)) and x.dtype == dtype for x in jax.tree.leaves(out))


@each_mechanism
def test_float32_follows_float64(cls):
    v = np.linspace(-120, 80, 401)
    one, two = cls().gates(jnp.asarray(v, jnp.float32)), cls().gates(jnp.asarray(v))
    for name in two:
        np.testing.assert_allclose(one[name].inf, two[name].inf, rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(one[name].rate, two[name].rate, rtol=2e-5)


@each_mechanism
def test_two_half_steps_are_one_step(cls):
    v = jnp.asarray(V)
    x = jnp.linspace(0.0, 1.0, v.size)
    for gate in cls().gates(v).values():
        for dt in (0.025, 1.0):
            np.testing.assert_allclose(gate.step(gate.step(x, dt / 2), dt / 2), gate.step(x, dt), rtol=1e-12)
        np.testing.assert_allclose(gate.step(gate.inf, 1.0), gate.inf, rtol=1e-15)
        np.testing.assert_allclose(gate.step(x, 1e9), gate.inf, rtol=1e-12)


@each_channel
def test_no_current_flows_at_the_reversal_potential(cls):
    gates = {name: 0.37 for name in cls().gates(jnp.float64(-65.0))}
    conductances = [s.name for s in cls.specs() if s.unit == "S/cm2"]
    assert conductances
    for g in conductances:
        alone = cls(**{c: 0.0 for c in conductances if c != g})  # one conductance at a time: HH has three
        e = getattr(alone, "e" + g[1:])
        assert alone.current(e, **gates) == 0.0
        assert alone.current(e + 1.0, **gates) > 0.0 > alone.current(e - 1.0, **gates)


@each_channel
def test_the_slope_is_exact(cls):
    channel, v, h = cls(), jnp.asarray(np.linspace(-119.7, 80.3, 101)), 1e-4
    gates = {name: jnp.full_like(v, 0.4) for name in channel.gates(v)}
    current = lambda v: channel.current(v, **gates)  # noqa: E731
    value, slope = jax.jvp(current, (v,), (jnp.ones_like(v),))
    difference = (current(v + h) - current(v - h)) / (2 * h)
    np.testing.assert_allclose(value, current(v), rtol=1e-13)
    np.testing.assert_allclose(slope, difference, rtol=1e-6, atol=1e-9 * np.max(np.abs(slope)))


@each_channel
def test_current_scales_with_its_conductances(cls):
    v = jnp.asarray(V)
    gates = {name: gate.inf for name, gate in cls().gates(v).items()}
    double = cls().with_params({s.name: 2 * s.default for s in cls.specs() if s.unit == "S/cm2"})
    np.testing.assert_allclose(double.current(v, **gates), 2 * cls().current(v, **gates), rtol=1e-12)


@each_mechanism
def test_temperature_changes_rates_only(cls):
    mechanism = cls()
    assert mechanism.temperature_factor(None) == 1.0
    if cls.q10 is not None:
        assert mechanism.temperature_factor(cls.q10.at) == 1.0
        assert mechanism.temperature_factor(cls.q10.at + 10) == pytest.approx(cls.q10.factor)
    elif issubclass(cls, Channel):
        assert not mechanism.gates(jnp.zeros(1))  # a channel with gates says at which temperature they hold


@each_mechanism
def test_parameters_per_site_equal_each_site_alone(cls):
    v = jnp.linspace(-90.0, 30.0, 4)
    scale = jnp.array([0.9, 1.0, 1.05, 1.1])
    many = cls().with_params({s.name: s.default * scale for s in cls.specs()})
    for i in range(4):
        alone = cls().with_params({s.name: s.default * scale[i] for s in cls.specs()})
        for name, gate in many.gates(v).items():
            np.testing.assert_allclose(gate.inf[i], alone.gates(v[i])[name].inf, rtol=1e-13)
            np.testing.assert_allclose(gate.rate[i], alone.gates(v[i])[name].rate, rtol=1e-13)
