from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cajax.base.errors import ParameterError
from cajax.mech import Gate, Scheme

from ..helpers import raises
from .exact import exponential

STATES = ("C", "O", "I", "B")
RATES = np.array([0.4, 0.3, 1.1, 0.2, 0.7, 0.05, 0.3])


def scheme(rates=RATES) -> Scheme:
    """Four states with a loop, detailed balance broken, and a one-way step."""
    c, d, o, p, b, f, back = rates
    return Scheme.of({"C <-> O": (c, d), "O <-> I": (o, p), "O -> B": b, "B -> C": f, "I -> C": back})


def generator(s: Scheme) -> np.ndarray:
    """The matrix Q with dx/dt = Q x, column by column from `derivative`."""
    columns = []
    for k in s.states:
        unit = {n: jnp.ones(()) if n == k else jnp.zeros(()) for n in s.states}
        columns.append([float(s.derivative(unit)[n]) for n in s.states])
    return np.array(columns).T


def start(*occupancies: float) -> dict:
    return dict(zip(STATES, (jnp.asarray(x) for x in occupancies), strict=True))


def vector(states: dict) -> np.ndarray:
    return np.array([float(states[k]) for k in STATES])


@partial(jax.jit, static_argnames="order")
def steps(s: Scheme, now: dict, dt: float, n: int, order: int) -> dict:
    """`n` steps of `dt`."""
    return jax.lax.fori_loop(0, n, lambda _, x: s.step(x, dt, order), now)


def test_transitions_give_states_and_generator():
    s = scheme()
    assert s.states == STATES
    c, d, o, p, b, f, back = RATES
    expected = np.zeros((4, 4))
    for i, j, r in ((0, 1, c), (1, 0, d), (1, 2, o), (2, 1, p), (1, 3, b), (3, 0, f), (2, 0, back)):
        expected[j, i] += r
        expected[i, i] -= r
    np.testing.assert_allclose(generator(s), expected, atol=1e-15)


def test_spaces_and_long_names_are_allowed():
    assert Scheme.of({"C1<->O_2": (1.0, 2.0), "  O_2   ->I3 ": 0.1}).states == ("C1", "O_2", "I3")


@pytest.mark.parametrize(
    ("transitions", "parts"),
    [
        ({"C - O": (1.0, 2.0)}, ("C - O", "C <-> O")),
        ({"C <- O": 1.0}, ("C <- O", "not a transition")),
        ({"C -> O -> I": 1.0}, ("C -> O -> I",)),
        ({"C <-> C": (1.0, 2.0)}, ("C <-> C",)),
        ({"C -> C": 1.0}, ("C -> C",)),
        ({"": 1.0}, ("not a transition",)),
        ({"C <-> O": 1.0}, ("C <-> O", "pair")),
        ({"C <-> O": (1.0,)}, ("C <-> O", "pair")),
        ({"C <-> O": (1.0, 2.0, 3.0)}, ("C <-> O", "pair")),
        ({"C -> O": (1.0, 2.0)}, ("C -> O", "one rate")),
        ({}, ("at least one transition",)),
    ],
)
def test_a_wrong_transition_is_refused(transitions, parts):
    raises(lambda: Scheme.of(transitions), *parts, kind=ParameterError)


def test_matrix_equals_transitions():
    s = scheme()
    q = generator(s)
    np.testing.assert_allclose(generator(Scheme.matrix(STATES, q)), q, atol=1e-15)
    nested = [[jnp.asarray(x) for x in row] for row in q]
    np.testing.assert_allclose(generator(Scheme.matrix(STATES, nested)), q, atol=1e-15)


def test_a_matrix_that_makes_or_loses_occupancy_is_refused():
    q = generator(scheme())
    leaky = q - np.diag([0.0, 0.0, 0.01, 0.0])
    raises(lambda: Scheme.matrix(STATES, leaky), "conserve", "'I'", "Scheme.of", kind=ParameterError)
    raises(lambda: Scheme.matrix(STATES, q.T), "conserve", kind=ParameterError)  # rows for columns
    raises(lambda: Scheme.matrix(STATES, q * [[np.nan], [1], [1], [1]]), "conserve", kind=ParameterError)
    raises(lambda: Scheme.matrix(STATES, q[:3]), "4 rows", kind=ParameterError)
    raises(lambda: Scheme.matrix(STATES, q[:, :3]), "4 columns", kind=ParameterError)


def test_a_matrix_of_arrays_is_checked_at_every_place():
    a = jnp.array([1.0, 2.0])
    good = Scheme.matrix(("C", "O"), [[-a, 3.0 * a], [a, -3.0 * a]])
    np.testing.assert_allclose(good.steady()["O"], [0.25, 0.25])
    bad = jnp.array([1.0, 2.1])
    raises(lambda: Scheme.matrix(("C", "O"), [[-bad, a], [a, -a]]), "conserve", kind=ParameterError)


def test_steady_is_the_null_space():
    s = scheme()
    _, _, rows = np.linalg.svd(generator(s))
    null = rows[-1] / rows[-1].sum()
    np.testing.assert_allclose(vector(s.steady()), null, rtol=1e-12)


def test_steady_per_place_equals_each_alone():
    scale = jnp.array([0.1, 1.0, 30.0])
    many = scheme([RATES[0] * scale, *RATES[1:]]).steady()
    for i, x in enumerate(scale):
        alone = scheme([RATES[0] * x, *RATES[1:]]).steady()
        np.testing.assert_allclose([many[k][i] for k in STATES], vector(alone), rtol=1e-12)


def test_steady_with_rates_that_span_many_decades():
    s = Scheme.of({"C <-> O": (1e-9, 1e4), "O <-> I": (1e3, 1e-6)})
    ratio = np.array([1.0, 1e-13, 1e-13 * 1e9])
    found = s.steady()
    np.testing.assert_allclose([found[k] for k in "COI"], ratio / ratio.sum(), rtol=1e-6)


@pytest.mark.parametrize("order", [1, 2])
def test_steady_is_a_fixed_point(order):
    now = scheme().steady()
    np.testing.assert_allclose(vector(scheme().step(now, 0.3, order)), vector(now), rtol=0, atol=1e-15)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_occupancies_sum_to_one_over_many_steps(order, dtype):
    s = scheme(RATES.astype(dtype))
    now = {k: jnp.asarray(x, dtype) for k, x in start(0.7, 0.1, 0.2, 0.0).items()}

    def body(x, _):
        new = s.step(x, 0.05, order)
        return new, sum(new.values())

    last, sums = jax.lax.scan(body, now, None, 20000)
    assert last["O"].dtype == dtype
    # Rounding of 20 000 steps wanders like a random walk.
    assert np.abs(np.asarray(sums) - 1.0).max() < 1e3 * np.finfo(dtype).eps
    np.testing.assert_allclose(vector(last), vector(scheme().steady()), atol=2e3 * np.finfo(dtype).eps)


@pytest.mark.parametrize("order", [1, 2])
def test_order_against_the_matrix_exponential(order):
    s, now = scheme(), start(1.0, 0.0, 0.0, 0.0)
    exact = exponential(generator(s), 4.0) @ vector(now)
    errors = []
    for n in (40, 80, 160):
        errors.append(np.abs(vector(steps(s, now, 4.0 / n, n, order)) - exact).max())
    rates = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert np.all(np.abs(rates - order) < 0.1), (errors, rates)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("dt", [1e2, 1e3, 1e5])
def test_a_huge_step_lands_at_rest(order, dtype, dt):
    """L-stable: no mode is left, and none grows."""
    s = scheme(RATES.astype(dtype))
    now = {k: jnp.asarray(x, dtype) for k, x in start(0.0, 0.0, 0.0, 1.0).items()}
    for _ in range(3):
        now = steps(s, now, jnp.asarray(dt, dtype), 1, order)
        assert all(np.isfinite(float(x)) and -0.5 < float(x) < 1.5 for x in now.values())
    accuracy = 0.1 * dt * np.finfo(dtype).eps  # rounding of 1 − dt · rate
    np.testing.assert_allclose(vector(now), vector(scheme().steady()), atol=accuracy + 10.0 / dt)


@pytest.mark.parametrize("order", [1, 2])
def test_stiff_rates_do_not_ring(order):
    s = Scheme.of({"C <-> O": (1e5, 1e2), "O <-> I": (0.2, 0.1)})
    now = {"C": jnp.ones(()), "O": jnp.zeros(()), "I": jnp.zeros(())}
    now = steps(s, now, 0.05, 200, order)
    exact = exponential(generator_of_three(s), 10.0) @ np.array([1.0, 0.0, 0.0])
    np.testing.assert_allclose([now[k] for k in "COI"], exact, atol=2e-2 if order == 1 else 1e-3)


def generator_of_three(s: Scheme) -> np.ndarray:
    q = np.zeros((3, 3))
    for (i, j), r in zip(s.ends, s.rates, strict=True):
        q[j, i] += r
        q[i, i] -= r
    return q


@pytest.mark.parametrize("order", [1, 2])
def test_gradients_equal_central_differences(order):
    def end(rates):
        s = scheme(rates)
        x = s.steady()
        faster = s.scaled(2.5)
        hot = {**dict.fromkeys(STATES, jnp.zeros(())), "C": jnp.ones(())}
        hot = faster.step(faster.step(hot, 0.2, order), 0.3, order)
        return x["O"] + 2.0 * hot["I"] + hot["B"] ** 2

    rates = jnp.asarray(RATES)
    found = np.asarray(jax.grad(end)(rates))
    for k in range(len(RATES)):
        h = 1e-5 * RATES[k]
        central = (end(rates.at[k].add(h)) - end(rates.at[k].add(-h))) / (2 * h)
        np.testing.assert_allclose(found[k], central, rtol=1e-6, atol=1e-11)
    direction = jnp.arange(1.0, 8.0)
    forward = jax.jvp(end, (rates,), (direction,))[1]
    np.testing.assert_allclose(forward, found @ direction, rtol=1e-12)


def test_scaled_rates_are_a_scaled_time():
    s, now = scheme(), start(0.5, 0.5, 0.0, 0.0)
    np.testing.assert_allclose(
        vector(s.scaled(3.0).step(now, 0.1, 2)), vector(s.step(now, 0.3, 2)), rtol=1e-14
    )
    np.testing.assert_allclose(vector(s.scaled(jnp.asarray(3.0)).steady()), vector(s.steady()), rtol=1e-12)
    assert s.scaled(1.0) is s


def test_two_states_are_a_gate():
    a, b = jnp.array([0.3, 2.0]), jnp.array([0.5, 0.1])
    gate, s = Gate.rates(a, b), Scheme.of({"C <-> O": (a, b)})
    np.testing.assert_allclose(s.steady()["O"], gate.inf, rtol=1e-14)
    o = jnp.array([0.9, 0.2])
    now = {"C": 1.0 - o, "O": o}
    np.testing.assert_allclose(steps(s, now, 0.005, 100, 2)["O"], gate.step(o, 0.5), atol=5e-6)
