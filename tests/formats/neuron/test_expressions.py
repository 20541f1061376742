"""Functions as NMODL: what is written computes what was traced."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from arithmetic import executed, value

import cajax as cx
from cajax.formats.neuron.expressions import euler, number, statements
from cajax.mech import implicit_step, vtrap

FUNCTIONS = {
    "powers": lambda x, y: -(x**2) + (x * y) ** 3 / (1.0 + y**-2) - x ** (0.5 * y),
    "signs": lambda x, y: jnp.negative(-x) - (-y) * -x / -(y + 2.0),
    "differences": lambda x, y: x - (y - (x - 1.0)) - (x - y),
    "quotients": lambda x, y: x / (y / (x / 3.0)) / (x * y),
    "branches": lambda x, y: jnp.where((x > 1.0) & (y < 2.0) | ~(x > y), jnp.exp(-x), jnp.maximum(x, y)),
    "nested": lambda x, y: jnp.clip(jnp.where(x > y, x, jnp.where(y > 1.0, y, -y)), -0.5, 1.5),
    "sigmoid": lambda x, y: jax.nn.sigmoid(x - y) * jnp.tanh(x) + jnp.sqrt(jnp.abs(y)),
    "library": lambda x, y: jnp.log1p(x) + jnp.expm1(-y) + jnp.square(x) + jax.lax.rsqrt(y + 1.0),
    "shared": lambda x, y: (z := jnp.exp(x * y)) * z + z / (1.0 + z),
    "trap": lambda x, y: vtrap(x - 0.3, 2.0) + vtrap(-(y + x), 5.0),
    "jitted": jax.jit(lambda x, y: jnp.minimum(x, y) * jnp.sign(x - y)),
    "constant": lambda x, y: 3.0 * 2.0 + 0.0 * x,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_written_computes_what_was_traced(name):
    function = FUNCTIONS[name]
    found = statements(lambda given: {"z": function(given["x"], given["y"])}, {"x": "x", "y": "y"}, name)
    with jax.enable_x64(True):
        for x in (0.1, 0.3, 1.2, 2.7):
            for y in (0.4, 1.0, 1.9):
                after = executed(found.lines, {"x": x, "y": y})
                expected = float(function(jnp.asarray(x), jnp.asarray(y)))
                np.testing.assert_allclose(value(found.results["z"], after), expected, rtol=1e-11, atol=1e-13)


def test_a_value_that_is_used_twice_is_computed_once():
    found = statements(lambda g: {"a": (z := jnp.exp(g["x"])) + 1.0, "b": z - 1.0}, {"x": "v"}, "f")
    assert sum(line.count("exp(") for line in found.lines) == 1
    assert found.locals == ["x1"]
    assert found.results == {"a": "x1 + 1", "b": "x1 - 1"}


def test_what_no_result_needs_is_left_out():
    found = statements(lambda g: {"a": (jnp.exp(g["x"]), g["x"] + 1.0)[1]}, {"x": "v"}, "f")
    assert found.lines == []


@pytest.mark.parametrize("x", [0.1, 1e-8, 1.0, -3.0, 123456789.0, 1.0 / 3.0, 2.5e-17])
def test_numbers_come_back_to_the_same_bits(x):
    assert float(number(x)) == x


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda x: jnp.sum(x * jnp.arange(3.0)), "array of shape"),
        (lambda x: jax.scipy.special.erf(x), "uses erf"),
        (lambda x: jax.lax.fori_loop(0, 3, lambda _, y: 2.0 * y, x), "uses "),
    ],
)
def test_what_has_no_words_is_refused_in_one_line(function, says):
    with pytest.raises(cx.CajaxError, match=says) as error:
        statements(lambda given: {"z": function(given["x"])}, {"x": "x"}, "Mine.gates")
    assert str(error.value).startswith("Mine.gates ")


def test_the_scalar_step_is_the_implicit_step():
    def rates(s):
        return {"a": 0.1 * (1.0 - s["a"] * s["b"]), "b": s["a"] - s["b"] ** 2, "c": -0.3 * s["c"] + s["a"]}

    with jax.enable_x64(True):
        now = {"a": jnp.asarray(0.3), "b": jnp.asarray(0.7), "c": jnp.asarray(-0.2)}
        ours, theirs = euler(rates, now, 0.5), implicit_step(rates, now, 0.5, 1)
    for name in now:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-13)
