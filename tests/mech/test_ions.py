import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cajax.base.errors import ParameterError
from cajax.mech import (
    Diffusive,
    Fixed,
    Ion,
    Pool,
    Pump,
    Reversal,
    Shells,
    ghk,
    ghk_voltage,
    implicit_step,
    nernst,
)

from ..helpers import raises

F, R = 96485.33212, 8.314462618


def stepped(
    ion: Ion, states: dict, flux: float, dt: float, n: int, order: int = 2, radius: float = 1.0
) -> dict:
    """Run the states of one ion at one place for `n` steps of `dt` ms under a constant influx."""

    @jax.jit
    def run(states):
        rates = lambda x: ion.rates(jnp.asarray(flux), jnp.asarray(radius), x)  # noqa: E731
        return jax.lax.fori_loop(0, n, lambda _, x: implicit_step(rates, x, dt, order), states)

    return run({k: jnp.asarray(x, float) for k, x in states.items()})


@pytest.mark.parametrize(
    ("valence", "inside", "outside"), [(1, 10.0, 140.0), (2, 1e-4, 2.0), (-1, 7.0, 120.0)]
)
@pytest.mark.parametrize("celsius", [6.3, 37.0])
def test_nernst(valence, inside, outside, celsius):
    expected = 1e3 * R * (273.15 + celsius) / (valence * F) * np.log(outside / inside)
    np.testing.assert_allclose(nernst(inside, outside, valence, celsius), expected, rtol=1e-13)


def test_nernst_known_values():
    """58 mV per decade of a monovalent ion at 20 °C, 61.5 at 37 °C."""
    assert abs(nernst(1.0, 10.0, 1, 20.0) - 58.17) < 0.01
    assert abs(nernst(1.0, 10.0, 1, 37.0) - 61.54) < 0.01
    assert nernst(1.0, 10.0, -1, 20.0) == -nernst(1.0, 10.0, 1, 20.0)


def textbook_ghk(v, inside, outside, z, celsius):
    x = z * F * v * 1e-3 / (R * (celsius + 273.15))
    # 1e-3 mA/cm² = 1 cm/s · 1 mM · 1 C/mol
    return 1e-3 * z * F * x * (inside - outside * np.exp(-x)) / -np.expm1(-x)


@pytest.mark.parametrize("z", [1, 2, -1])
def test_ghk_equals_the_textbook(z):
    v = np.array([-120.0, -65.0, -3.0, -1e-2, 1e-2, 1.0, 40.0, 110.0])
    found = ghk(jnp.asarray(v), 0.3, 2.0, z, 25.0)
    np.testing.assert_allclose(found, textbook_ghk(v, 0.3, 2.0, z, 25.0), rtol=1e-9)


@pytest.mark.parametrize("z", [1, 2, -1])
def test_ghk_reverses_at_nernst(z):
    e = nernst(0.3, 2.0, z, 25.0)
    assert abs(ghk(e, 0.3, 2.0, z, 25.0)) < 1e-10
    assert ghk(e + 1.0, 0.3, 2.0, z, 25.0) > 0 > ghk(e - 1.0, 0.3, 2.0, z, 25.0)


def test_ghk_at_zero_voltage():
    """Fick's law; and the slope there is P z² F²/(RT) · (inside + outside)/2."""
    np.testing.assert_allclose(ghk(0.0, 0.3, 2.0, 2, 25.0), 1e-3 * 2 * F * (0.3 - 2.0), rtol=1e-13)
    slope = jax.grad(lambda v: ghk(v, 0.3, 2.0, 2, 25.0))(0.0)
    np.testing.assert_allclose(slope, 1e-6 * 4 * F**2 / (R * 298.15) * 0.5 * 2.3, rtol=1e-12)


def test_ghk_limits_are_ohmic():
    """Far from zero only one side carries the current."""
    x = 2 * F * 0.4 / (R * 298.15)
    np.testing.assert_allclose(ghk(400.0, 0.3, 2.0, 2, 25.0), 1e-3 * 2 * F * x * 0.3, rtol=1e-10)
    np.testing.assert_allclose(ghk(-400.0, 0.3, 2.0, 2, 25.0), -1e-3 * 2 * F * x * 2.0, rtol=1e-10)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_ghk_and_its_gradient_are_finite_everywhere(dtype):
    v = jnp.asarray([-1e4, -500.0, -1e-6, 0.0, 1e-6, 500.0, 1e4], dtype)
    of = lambda v, c: ghk(v, c, dtype(2.0), 2, dtype(25.0))  # noqa: E731
    value, slope = jax.vmap(jax.value_and_grad(of, argnums=(0, 1)), (0, None))(v, dtype(1e-4))
    assert value.dtype == dtype
    assert np.isfinite(value).all() and all(np.isfinite(s).all() for s in slope)
    assert (np.diff(np.asarray(value)) >= 0).all()


def test_ghk_gradient_equals_central_difference():
    for v in (-70.0, -0.3, 0.0, 1e-3, 25.0):
        h = 1e-4
        central = (ghk(v + h, 0.3, 2.0, 2, 25.0) - ghk(v - h, 0.3, 2.0, 2, 25.0)) / (2 * h)
        np.testing.assert_allclose(jax.grad(lambda v: ghk(v, 0.3, 2.0, 2, 25.0))(v), central, rtol=1e-7)


def test_ghk_voltage():
    """The squid axon of Hodgkin & Katz (1949): P_K : P_Na : P_Cl = 1 : 0.04 : 0.45."""
    p, i = {"k": 1.0, "na": 0.04, "cl": 0.45}, {"k": 400.0, "na": 50.0, "cl": 52.0}
    o = {"k": 20.0, "na": 440.0, "cl": 560.0}
    expected = 1e3 * R * 293.15 / F * np.log((20 + 0.04 * 440 + 0.45 * 52) / (400 + 0.04 * 50 + 0.45 * 560))
    np.testing.assert_allclose(ghk_voltage(p, i, o, 20.0), expected, rtol=1e-13)
    alone = ghk_voltage({"cl": 3.0}, {"cl": 7.0}, {"cl": 120.0}, 37.0)
    np.testing.assert_allclose(alone, nernst(7.0, 120.0, -1, 37.0), rtol=1e-13)
    raises(
        lambda: ghk_voltage({"ca": 1.0}, {"ca": 1.0}, {"ca": 2.0}, 20.0),
        "monovalent",
        "'ca'",
        kind=ParameterError,
    )
    raises(lambda: ghk_voltage({"xy": 1.0}, {"xy": 1.0}, {"xy": 2.0}, 20.0), "'xy'", kind=ParameterError)


def test_ghk_voltage_is_where_the_currents_cancel():
    p, i = {"k": 1.0, "na": 0.05, "cl": 0.3}, {"k": 140.0, "na": 10.0, "cl": 7.0}
    o = {"k": 4.0, "na": 145.0, "cl": 120.0}
    v = ghk_voltage(p, i, o, 37.0)
    z = {"k": 1, "na": 1, "cl": -1}
    assert abs(sum(p[n] * ghk(v, i[n], o[n], z[n], 37.0) for n in p)) < 1e-10


def test_charges():
    assert [Fixed().charge(n) for n in ("na", "k", "ca", "cl", "mg")] == [1, 1, 2, -1, 2]
    assert Fixed(valence=3).charge("al") == 3
    assert Fixed(valence=-2).charge("ca") == -2
    raises(lambda: Fixed().charge("xy"), "'xy'", "valence=1", kind=ParameterError)
    raises(lambda: Fixed(valence=0).charge("ca"), "'ca'", kind=ParameterError)


def test_reversal_has_no_concentrations():
    assert Reversal(-85.0).inside() is None and Reversal(-85.0).outside() is None
    assert Reversal(-85.0).reversal(None, None, 1, None) == -85.0
    assert Reversal().start() == {} and Reversal().diffusion() == {}


def test_fixed_reverses_at_nernst():
    found = Fixed(ci=12.0, co=145.0).reversal(12.0, 145.0, 1, 37.0)
    np.testing.assert_allclose(found, nernst(12.0, 145.0, 1, 37.0), rtol=1e-15)
    raises(lambda: Fixed().reversal(12.0, 145.0, 1, None), "temperature", kind=ParameterError)


@pytest.mark.parametrize("ion", [Fixed, Pool, Pump, Shells, Diffusive])
def test_concentrations_must_be_positive(ion):
    for name in ("ci", "co"):
        raises(lambda name=name: ion(**{name: -1e-4}), name, kind=ParameterError)
        raises(lambda name=name: ion(**{name: 0.0}), name, kind=ParameterError)
    assert ion(ci="100 nM").ci == pytest.approx(1e-4)


@pytest.mark.parametrize(("ion", "wrong"), [(Pool, {"tau": 0.0}), (Pool, {"depth": 0.0}), (Pool, {"gamma": -1.0}),
                                            (Pump, {"km": 0.0}), (Pump, {"vmax": -1.0}), (Shells, {"d": -1.0}),
                                            (Shells, {"shells": 0}), (Shells, {"shells": 13}),
                                            (Shells, {"shells": 2.5}), (Diffusive, {"d": -0.1})])  # fmt: skip
def test_senseless_parameters_are_refused(ion, wrong):
    raises(lambda: ion(**wrong), *wrong, kind=ParameterError)


@pytest.mark.parametrize(
    "ion", [Pool(), Pump(), Shells(vmax=1e-3), Diffusive(), Shells(shells=1), Shells(shells=3)]
)
@pytest.mark.parametrize("order", [1, 2])
def test_rest_is_a_fixed_point(ion, order):
    start = ion.start()
    now = {k: jnp.asarray(x, float) for k, x in start.items()}
    end = implicit_step(lambda x: ion.rates(jnp.zeros(()), jnp.ones(()), x), now, 10.0, order)
    for name in start:
        np.testing.assert_allclose(end[name], start[name], rtol=1e-13)
    assert float(ion.inside(**start)) == pytest.approx(ion.ci) and ion.outside(**start) == ion.co


def test_a_pool_decays_and_fills_exactly():
    pool = Pool(ci=1e-4, tau=20.0, gamma=0.05, depth=0.1)
    end = stepped(pool, {"i": 5e-3}, 0.0, 0.01, 1000)["i"]
    np.testing.assert_allclose(end, 1e-4 + 4.9e-3 * np.exp(-0.5), rtol=1e-6)
    end = stepped(pool, {"i": 1e-4}, 2e-4, 0.01, 1000)["i"]
    level = 0.05 * 2e-4 / 0.1 * 20.0
    np.testing.assert_allclose(end, 1e-4 + level * -np.expm1(-0.5), rtol=1e-6)


def test_a_pump_empties_towards_rest_by_michaelis_and_menten():
    pump = Pump(ci=1e-4, vmax=1e-3, km=1e-3, depth=0.5)
    for c in (2e-4, 1e-3, 5e-2):
        rate = float(pump.rates(jnp.zeros(()), jnp.ones(()), {"i": jnp.asarray(c)})["i"])
        assert rate == pytest.approx(-(1e-3 / 0.5) * (c / (c + 1e-3) - 1e-4 / 1.1e-3))
    np.testing.assert_allclose(stepped(pump, {"i": 5e-3}, 0.0, 0.1, 5000)["i"], 1e-4, rtol=1e-6)
    full = pump.rates(jnp.asarray(1e-4), jnp.ones(()), {"i": jnp.asarray(1e-4)})["i"]
    assert float(full) == pytest.approx(1e-4 / 0.5)


def volumes(n: int) -> np.ndarray:
    """Volumes of the shells relative to the cell's: outermost and innermost half as thick as the others."""
    if n == 1:
        return np.ones(1)
    thick = 1.0 / (n - 1)
    edges = np.array([1.0, *(1.0 - thick * (k + 0.5) for k in range(n - 1)), 0.0])
    return edges[:-1] ** 2 - edges[1:] ** 2


@pytest.mark.parametrize("n", [1, 2, 4, 12])
def test_volumes_of_the_shells_fill_the_cell(n):
    """The influx 2 flux/radius per volume of the whole cell arrives, all of it in the outermost shell."""
    ion, flux, radius = Shells(shells=n), 3e-4, 0.7
    np.testing.assert_allclose(volumes(n).sum(), 1.0, rtol=1e-14)
    rates = ion.rates(
        jnp.asarray(flux), jnp.asarray(radius), {k: jnp.asarray(x) for k, x in ion.start().items()}
    )
    gain = np.array([float(rates[f"c{k}"]) for k in range(n)])
    np.testing.assert_allclose(gain @ volumes(n), 2.0 * flux / radius, rtol=1e-9)
    np.testing.assert_allclose(gain[1:], 0.0, atol=1e-15)


@pytest.mark.parametrize("order", [1, 2])
def test_shells_conserve_calcium(order):
    """Without pump and influx the free and the bound calcium of all shells stand still, whatever moves between them."""
    ion = Shells(shells=3, buffer=0.05, vmax=0.0)
    start = {k: jnp.asarray(x) for k, x in ion.start().items()} | {
        "c0": jnp.asarray(0.02),
        "b2": jnp.asarray(0.01),
    }

    def total(x):
        held = np.array([float(x[f"c{k}"] + ion.buffer - x[f"b{k}"]) for k in range(3)])
        return held @ volumes(3)

    end = stepped(ion, start, 0.0, 0.05, 400, order)
    assert abs(float(end["c0"]) - 0.02) > 1e-3  # something happened
    np.testing.assert_allclose(total(end), total(start), rtol=1e-12)
    spread = [float(stepped(ion, start, 0.0, 0.5, 2000, order)[f"c{k}"]) for k in range(3)]
    np.testing.assert_allclose(spread, spread[0], rtol=1e-6)  # in the end it is even


def test_shells_diffuse_like_a_cylinder():
    """The slowest radial mode decays with d (3.8317/r)²: the first zero of J1 (Crank, The Mathematics of Diffusion)."""
    exact, errors = 0.6 * (3.831706 / 2.0) ** 2, []
    for n in (5, 10):
        ion = Shells(shells=n, buffer=0.0, d=0.6)
        state = {k: jnp.asarray(x) for k, x in ion.start().items()}
        slopes = jax.jacfwd(lambda x, ion=ion: ion.rates(jnp.zeros(()), jnp.asarray(2.0), x))(state)
        matrix = np.array([[float(slopes[f"c{i}"][f"c{j}"]) for j in range(n)] for i in range(n)])
        modes = np.sort(-np.linalg.eigvals(matrix).real)
        assert abs(modes[0]) < 1e-12
        errors.append(abs(modes[1] / exact - 1.0))
    assert errors[1] < 0.02 and errors[1] < errors[0] / 3.5, errors


def test_a_buffer_binds_in_equilibrium():
    ion = Shells(shells=1, buffer=0.1, kf=50.0, kb=0.2, vmax=0.0)
    end = stepped(ion, {"c0": 0.05, "b0": 0.1}, 0.0, 0.1, 3000)
    c, b = float(end["c0"]), float(end["b0"])
    np.testing.assert_allclose(50.0 * c * b, 0.2 * (0.1 - b), rtol=1e-6)
    np.testing.assert_allclose(c + 0.1 - b, 0.05, rtol=1e-10)


def test_what_diffuses():
    assert (
        sorted(Shells(shells=3).diffusion()) == ["c0", "c1", "c2"] and Shells(axial=False).diffusion() == {}
    )
    assert Diffusive(d=1.5).diffusion() == {"i": 1.5} and Pool().diffusion() == {}


def test_gradients_of_a_pump_equal_central_differences():
    @jax.jit
    def end(vmax):
        pump = Pump().with_params({"vmax": vmax, "ci": 1e-4, "km": 1e-3, "depth": 0.5})
        rates = lambda x: pump.rates(jnp.asarray(1e-4), jnp.ones(()), x)  # noqa: E731
        body = lambda _, x: implicit_step(rates, x, 0.2, 2)  # noqa: E731
        return jax.lax.fori_loop(0, 50, body, {"i": jnp.asarray(1e-3)})["i"]

    h = 1e-7
    central = (end(1e-3 + h) - end(1e-3 - h)) / (2 * h)
    np.testing.assert_allclose(jax.jit(jax.grad(end))(1e-3), central, rtol=1e-6)


@pytest.mark.parametrize("ion", [Pool(), Pump(vmax=1e-3), Shells(), Diffusive(ci=1e-4)])
def test_float32_stays_float32(ion):
    now = {k: jnp.asarray(x, jnp.float32) for k, x in ion.start().items()}
    rates = lambda x: ion.rates(jnp.float32(1e-4), jnp.float32(1.0), x)  # noqa: E731
    for order in (1, 2):
        end = implicit_step(rates, now, jnp.float32(0.1), order)
        assert all(x.dtype == jnp.float32 and np.isfinite(x) for x in end.values())
