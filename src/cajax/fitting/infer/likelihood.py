"""The probability of parameters given recordings: a model's voltage plus Gaussian noise, uniform priors in a box."""

import math
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr

from ...base.checks import number
from ...base.types import Array, Float
from .runs import Runs

FAILED = -1e10
"""Log density of parameters whose run is not finite."""


@final
class Local(NamedTuple):
    """A quadratic model of the log density at z [parameter]: its value, slope and (Gauss–Newton) curvature."""

    value: Float[Array, "..."]
    slope: Float[Array, "... parameter"]
    curvature: Float[Array, "... parameter parameter"]


@final
class Likelihood:
    """Log density of parameters given recorded voltages, up to a constant, in coordinates z with u = Φ(z).

    Every sample is the model's voltage plus Gaussian noise of standard deviation `noise` mV, on the grid of the runs.
    Without `noise` it is unknown: its prior is 1/σ, and it is integrated out. Noise that is correlated over
    `correlation` ms (exponentially) makes n samples worth n (1 − ρ)/(1 + ρ), ρ = exp(−dt/correlation): the number of
    independent ones whose mean is as good. The prior of the parameters is uniform in the box, on its scale: z, whose
    prior is standard normal, has no bounds. (A logit has none either, but tails that bend and slow chains down.)
    """

    def __init__(self, runs: Runs, noise: float | None, correlation: float, caller: str) -> None:
        self.runs = runs
        self.noise = None if noise is None else number(noise, "mV", f"{caller}: noise", above=0.0)
        tau = number(correlation, "ms", f"{caller}: correlation", least=0.0)
        rho = math.exp(-runs.objective.dt / tau) if tau > 0.0 else 0.0
        self.worth = (1.0 - rho) / (1.0 + rho)
        """How many independent samples one is worth."""
        self.samples = float(runs.objective.recorded.sum()) * self.worth
        """The effective number of samples."""
        self.density = guarded(self._density)
        """Log density at z [parameter] for data [sweep, place, sample]; `FAILED`, and no slope, where a run fails."""

    def misfit(self, u: Float[Array, " parameter"], data: Array) -> Float[Array, ""]:
        """Return the sum of squared differences (mV²), each by what a sample is worth."""
        off = (self.runs.voltages(u, data) - data) * self.runs.mask
        return self.worth * jnp.square(off).sum()

    def of_misfit(self, misfit: Array) -> Array:
        """Return the log likelihood that goes with a sum of squares, up to a constant."""
        if self.noise is None:
            # Relative to 1 mV² a sample, so that the logarithm is of order one and keeps its digits.
            return -0.5 * self.samples * jnp.log(misfit / self.samples)
        return -0.5 * misfit / self.noise**2

    def noises(self, density: np.ndarray, z: np.ndarray, seed: int) -> np.ndarray:
        """Return the standard deviation of the noise (mV) that goes with draws z [… , parameter] of log density […].

        Where it is unknown it is drawn: σ² given the rest is the sum of squares over a χ² number.
        """
        if self.noise is not None:
            return np.full(density.shape, self.noise)
        likelihood = density + 0.5 * np.square(z).sum(-1)
        squares = self.samples * np.exp(-2.0 * likelihood / self.samples)
        return np.sqrt(squares / np.random.default_rng(seed).chisquare(self.samples, density.shape))

    def _density(self, z: Array, data: Array) -> Array:
        return self.of_misfit(self.misfit(ndtr(z), data)) + prior(z)

    def local(self, z: Float[Array, " parameter"], data: Float[Array, "sweep place sample"]) -> Local:
        """Return the log density at z, its slope and curvature, by one run and its tangents."""
        info, off, misfit = self._information(z, data)
        variance = misfit / self.samples if self.noise is None else jnp.asarray(self.noise**2, z.dtype)
        slope = -off / variance - z
        curvature = info / variance + jnp.eye(len(z), dtype=z.dtype)
        value = self.of_misfit(misfit) + prior(z)
        fine = jnp.isfinite(value) & jnp.isfinite(slope).all() & jnp.isfinite(curvature).all()
        return Local(
            jnp.where(fine, value, FAILED),
            jnp.where(fine, slope, 0.0),
            jnp.where(fine, curvature, jnp.eye(len(z), dtype=z.dtype)),
        )

    def _information(self, z: Array, data: Array) -> tuple[Array, Array, Array]:
        """Return J'J, J'r and r'r for the residuals r (mV) and their Jacobian J against z."""

        def residuals(z: Array) -> Array:
            off = (self.runs.voltages(ndtr(z), data) - data) * self.runs.mask
            return (math.sqrt(self.worth) * off).ravel()

        def push(direction: Array) -> tuple[Array, Array]:
            return jax.jvp(residuals, (z,), (direction,))

        values, j = jax.vmap(push)(jnp.eye(z.shape[0], dtype=z.dtype))
        r = values[0]
        full = jnp.matmul(j, j.T, precision="highest")
        return full, jnp.matmul(j, r, precision="highest"), jnp.square(r).sum()


def prior(z: Float[Array, " parameter"]) -> Float[Array, ""]:
    """Return the log density of z, up to a constant: that of standard normal numbers."""
    return -0.5 * jnp.square(z).sum()


def guarded(density: Any) -> Any:
    """Return a log density of (z, data) that is `FAILED` where it is not finite, with a gradient that always is."""

    @jax.custom_vjp
    def safe(z: Array, data: Array) -> Array:
        value = density(z, data)
        return jnp.where(jnp.isfinite(value), value, FAILED)

    def forward(z: Array, data: Array) -> tuple[Array, tuple[Array, Array]]:
        value, slope = jax.value_and_grad(density)(z, data)
        fine = jnp.isfinite(value) & jnp.isfinite(slope).all()
        return jnp.where(jnp.isfinite(value), value, FAILED), (jnp.where(fine, slope, 0.0), data)

    def backward(kept: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array]:
        slope, data = kept
        return cotangent * slope, jnp.zeros_like(data)

    safe.defvjp(forward, backward)
    return safe
