"""The map to standard coordinates: exact for normal densities, straightens bent ones, inverts."""

import jax
import jax.numpy as jnp
import numpy as np

from cajax.fitting.infer.transport import PAIRED, Transport, laplace, learned, stacked

RNG = np.random.default_rng(0)


def forward(transport, w):
    return np.asarray(jax.vmap(lambda x: transport.forward(x))(jnp.asarray(w)))


def inverse(transport, z):
    return np.asarray(jax.vmap(lambda x: transport.inverse(x))(jnp.asarray(z)))


def as_arrays(transport: Transport) -> Transport:
    return jax.tree.map(lambda x: x[0], stacked([transport], np.dtype(float)))


def bent(draws: int = 500) -> np.ndarray:
    """A thin parabola [chain, draw, 3]: the third coordinate is decided ten thousand times better than the first."""
    x = RNG.standard_normal((8, draws, 3))
    z = np.stack([x[..., 0], 0.3 * x[..., 1], 0.4 * x[..., 0] ** 2 - 0.5 * x[..., 0] + 0.01 * x[..., 2]], -1)
    return 0.3 * z


def test_the_laplace_map_has_the_covariance_of_the_density():
    a = RNG.standard_normal((4, 4))
    curvature = a @ a.T + 2.0 * np.eye(4)
    transport = as_arrays(laplace(np.arange(4.0), curvature))
    w = RNG.standard_normal((200_000, 4))
    z = forward(transport, w)
    np.testing.assert_allclose(z.mean(0), np.arange(4.0), atol=0.02)
    np.testing.assert_allclose(np.cov(z.T), np.linalg.inv(curvature), atol=0.01)


def test_the_inverse_is_the_inverse():
    for transport in (laplace(np.zeros(3), np.diag([2.0, 50.0, 9.0])), learned(bent())):
        w = RNG.standard_normal((100, 3))
        transport = as_arrays(transport)
        np.testing.assert_allclose(inverse(transport, forward(transport, w)), w, atol=1e-8)


def test_a_bent_density_becomes_standard_normal():
    transport = as_arrays(learned(bent()))
    w = inverse(transport, bent().reshape(-1, 3))
    np.testing.assert_allclose(w.std(0), 1.0, atol=0.05)
    np.testing.assert_allclose(np.corrcoef(w.T), np.eye(3), atol=0.05)
    assert abs(np.corrcoef(w[:, 0] ** 2, w[:, 2])[0, 1]) < 0.05


def test_its_determinant_is_constant():
    transport = as_arrays(learned(bent()))
    slopes = jax.vmap(jax.jacfwd(transport.forward))(jnp.asarray(RNG.standard_normal((5, 3))))
    np.testing.assert_allclose(
        np.linalg.slogdet(np.asarray(slopes))[1], np.linalg.slogdet(slopes[0])[1], atol=1e-9
    )


def test_few_draws_of_many_parameters_are_not_explained_by_chance():
    z = RNG.standard_normal((4, 20, 12))
    transport = learned(z)
    assert np.isfinite(transport.weights).all()
    assert ((transport.spread * transport.scale) > 0.7).all()


def test_very_many_parameters_have_no_products():
    d = PAIRED + 1
    transport = learned(RNG.standard_normal((4, 60, d)))
    assert transport.weights.shape == (d, 1 + 3 * d)
