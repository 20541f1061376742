"""Surrogates: steps in disguise, of area one and a given width, highest at the threshold."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cajax.base.errors import ParameterError
from cajax.mech import ArcTan, FastSigmoid, Gaussian, Surrogate, Triangle

from ..helpers import one_line

KINDS = [FastSigmoid, ArcTan, Triangle, Gaussian]
AREA = {FastSigmoid: 2.0}  # the paper's derivative of u/(1 + |u|), which rises by 2


@pytest.mark.parametrize("cls", KINDS)
@pytest.mark.parametrize("width", [0.5, 5.0, 20])
def test_area_and_peak(cls, width):
    x = np.linspace(-1.0, 1.0, 200001)
    x = np.sign(x) * 1e5 * width * np.abs(x) ** 5  # dense at 0, far out at the ends
    y = np.asarray(cls(width).slope(jnp.asarray(x)))
    area = np.sum(0.5 * (y[1:] + y[:-1]) * np.diff(x))
    assert area == pytest.approx(AREA.get(cls, 1.0), abs=2e-3)
    assert x[y.argmax()] == pytest.approx(0.0, abs=1e-6) and (y >= 0).all()
    np.testing.assert_allclose(y, y[::-1], rtol=1e-8, atol=1e-12)
    assert (np.diff(y[x > 0]) <= 1e-15).all()


@pytest.mark.parametrize("cls", KINDS)
@pytest.mark.parametrize("width", [0.0, 0, -1.0, float("nan"), "wide", None])
def test_width_must_be_positive(cls, width):
    with pytest.raises(ParameterError) as error:
        cls(width)
    assert "width" in one_line(error) and cls.__name__ in one_line(error)


@pytest.mark.parametrize("cls", KINDS)
def test_float32_and_far_away(cls):
    x = jnp.asarray([-1e6, -30.0, 0.0, 30.0, 1e6], jnp.float32)
    y = cls().slope(x)
    assert y.dtype == jnp.float32 and np.isfinite(y).all()
    assert np.isfinite(jax.vmap(jax.grad(lambda x: cls().slope(x)))(x)).all()


def test_equal_by_value_and_abstract():
    assert FastSigmoid(3.0) == FastSigmoid(3.0) != FastSigmoid(4.0)
    assert hash(Triangle(1.0)) == hash(Triangle(1.0))
    with pytest.raises(TypeError):
        Surrogate()  # pyright: ignore[reportAbstractUsage]
