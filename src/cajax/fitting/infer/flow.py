"""Inference from simulations alone: a normalizing flow learns which parameters go with which features, by `flowjax`.

Neural posterior estimation: Papamakarios & Murray (2016), NeurIPS 29; Lueckmann et al. (2017), NeurIPS 30. The flow is
a masked autoregressive one of rational-quadratic splines: Durkan et al. (2019), NeurIPS 32. Further rounds draw from
the prior where the last round left probability: Deistler et al. (2022), NeurIPS 35.
"""

import time
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import numpy_rank_promotion
from jax.scipy.special import ndtr

from ...base.checks import count, flag, number
from ...base.errors import NonFiniteError
from ...base.types import Array, Float
from ...model.model import Model
from ...train.free import Free
from ..objective import Objective
from .draws import Posterior
from .packages import needed
from .progress import Telling
from .runs import LANES, SETTLE, Runs

LAYERS, WIDTH, KNOTS = 4, 48, 8
"""Layers of the flow, width of their networks, knots of their splines."""
RATE, BATCH, MANY = 2e-3, 256, 30_000
"""First learning rate, which falls to zero as a cosine; the size of a batch, twice that from so many simulations on."""
EPOCHS = 60
"""Epochs of training."""
OUTSIDE = 1e-4
"""Share of a posterior that the next round leaves out."""
CHAINS = 4
"""Groups that independent draws are given in, so that they look like those of chains."""
RAREST = 1e-4
"""Least share of the prior that a further round may be left with."""


Scale = tuple[np.ndarray, np.ndarray]
"""A mean and a standard deviation of several numbers."""


@final
class Estimator:
    """A flow that says how parameters z are distributed given features of voltages: for any recording, at once.

    Features are the residuals of the objective's terms, whose sizes are compressed (asinh). `noise` (mV) is added to
    every simulated sample; None: every residual gets noise of one standard deviation, its unit.
    """

    def __init__(self, runs: Runs, noise: float | None, seed: int) -> None:
        self.runs, self.noise = runs, noise
        self._rng = np.random.default_rng([seed, 2])
        self._key = jax.random.key(seed)
        self._residuals = jax.jit(jax.vmap(self._compared))
        self._counted = np.concatenate([x.ravel() for x in runs.objective.counted])
        self.z, self.x = np.zeros((0, len(runs.box))), np.zeros((0, int(self._counted.sum())))
        """What was simulated: parameters [simulation, parameter] and features [simulation, feature]."""
        self._flow: Any = None
        self._middle = self._usual = (np.zeros(0), np.zeros(0))
        self._limits: list[_Limit] = []

    def simulate(self, simulations: int, told: Any) -> None:
        """Add simulations of parameters from the prior where earlier rounds left probability; not runs that fail."""
        for k in range(0, simulations, LANES):
            z = self._from_prior(LANES)
            if z is None:
                return
            v = self.runs.traces(np.asarray(ndtr(jnp.asarray(z)), float))
            fine = np.isfinite(v).all((1, 2, 3))
            noise = 0.0 if self.noise is None else self.noise
            x = self.features(v + noise * self._rng.standard_normal(v.shape))
            if self.noise is None:
                x = np.arcsinh(np.sinh(x) + self._rng.standard_normal(x.shape))
            self.z, self.x = np.concatenate([self.z, z[fine]]), np.concatenate([self.x, x[fine]])
            told("simulating", min(1.0, (k + LANES) / simulations))

    def features(self, v: Float[np.ndarray, "run sweep place sample"]) -> Float[np.ndarray, "run feature"]:
        """Return the compared residuals of some voltages, compressed."""
        r = np.concatenate(
            [
                np.asarray(self._residuals(jnp.asarray(v[k : k + LANES], self.runs.dtype)))
                for k in range(0, len(v), LANES)
            ]
        )
        return np.arcsinh(np.asarray(r, float)[:, self._counted])

    def train(self, epochs: int) -> None:
        """Fit a flow to all simulations."""
        if len(self.z) < 2 * BATCH:
            raise NonFiniteError(
                f"estimate: only {len(self.z)} of the simulated runs are finite, too few to learn from; simulate more,"
                " or narrow the bounds"
            )
        self._middle = self.z.mean(0), self.z.std(0)
        self._usual = self.x.mean(0), np.where(self.x.std(0) > 1e-6, self.x.std(0), np.inf)
        data = _standard(self.z, self._middle), _standard(self.x, self._usual)
        batch = BATCH * (1 if len(self.z) < MANY else 2)
        steps = int(0.9 * len(self.z) / batch) * epochs
        self._key, begin, learn = jax.random.split(self._key, 3)
        training = needed("flowjax.train", "estimate")
        with numpy_rank_promotion("allow"):
            self._flow, _ = training.fit_to_data(
                learn, _flow(begin, *(x.shape[1] for x in data)), data, max_epochs=epochs, max_patience=epochs,
                optimizer=optax.adam(optax.cosine_decay_schedule(RATE, steps)), batch_size=batch, show_progress=False,
            )  # fmt: skip

    def draws(
        self, x: Float[np.ndarray, "recording feature"], number: int
    ) -> tuple[Float[np.ndarray, "recording draw parameter"], Float[np.ndarray, "recording draw"]]:
        """Return draws z given the features of recordings, and their log densities in z."""
        self._key, key = jax.random.split(self._key)
        given = _standard(x, self._usual)
        keys = jax.random.split(key, len(x))
        sample = jax.jit(jax.vmap(lambda key, c: self._flow.sample_and_log_prob(key, (number,), c)))
        with numpy_rank_promotion("allow"):
            w, density = sample(keys, given)
        middle, width = self._middle
        z = middle + width * np.asarray(w, float)
        return z, np.asarray(density, float) - np.log(width).sum()

    def narrow(self, x: Float[np.ndarray, " feature"]) -> None:
        """Leave to further rounds only what has probability given these features; drop simulations that are outside."""
        _, density = self.draws(x[None], 4096)
        given = _standard(x, self._usual)
        self._limits.append(_Limit(self._flow, self._middle, given, float(np.quantile(density, OUTSIDE))))
        inside = self.inside(self.z)
        self.z, self.x = self.z[inside], self.x[inside]

    def inside(self, z: Float[np.ndarray, "draw parameter"]) -> np.ndarray:
        """Return which parameters [draw] no round has left out."""
        found = np.ones(len(z), bool)
        for limit in self._limits:
            found &= limit.holds(z)
        return found

    def _from_prior(self, wanted: int) -> np.ndarray | None:
        """Return draws from the prior that no round has left out; None where they are too rare to be found."""
        found: list[np.ndarray] = []
        size = wanted if not self._limits else 16 * 1024
        for _ in range(1 + int(wanted / (RAREST * size))):
            z = self._rng.standard_normal((size, len(self.runs.box)))
            found.append(z[self.inside(z)])
            if sum(map(len, found)) >= wanted:
                return np.concatenate(found)[:wanted]
        return None

    def _compared(self, v: Array) -> Array:
        return jnp.concatenate([r.ravel() for r in self.runs.objective.residuals(v)])


@final
class _Limit:
    """Where the density of a flow, given some features, is at least some value."""

    def __init__(self, flow: Any, middle: Scale, given: Array, least: float) -> None:
        self._middle, self._least = middle, least
        self._density = jax.jit(lambda w: flow.log_prob(w, given))

    def holds(self, z: Float[np.ndarray, "draw parameter"]) -> np.ndarray:
        with numpy_rank_promotion("allow"):
            density = np.asarray(self._density(_standard(z, self._middle)), float)
        return density - np.log(self._middle[1]).sum() >= self._least


def _flow(key: Array, parameters: int, features: int) -> Any:
    """Return a flow that has learned nothing: near a standard normal distribution, whatever the features."""
    distributions, flows = needed("flowjax.distributions", "estimate"), needed("flowjax.flows", "estimate")
    spline = needed("flowjax.bijections", "estimate").RationalQuadraticSpline(knots=KNOTS, interval=5)
    return flows.masked_autoregressive_flow(
        key, base_dist=distributions.Normal(jnp.zeros(parameters)), cond_dim=features, flow_layers=LAYERS,
        transformer=spline, nn_width=WIDTH, nn_depth=2, nn_activation=jax.nn.silu,
    )  # fmt: skip


def _standard(x: np.ndarray, by: Scale) -> Array:
    return jnp.asarray((x - by[0]) / by[1], jnp.result_type(float))


def estimate(
    objective: Objective,
    model: Model,
    free: Free,
    *,
    simulations: int = 20_000,
    noise: float | None = None,
    rounds: int = 1,
    draws: int = 4000,
    epochs: int = EPOCHS,
    seed: int = 0,
    settle: float = SETTLE,
    progress: bool | None = None,
) -> Posterior:
    """Estimate the distribution of the parameters `free` of `model` given the features of an objective's recordings.

    What is compared are the terms of the objective, whatever they are: there is no likelihood, and no gradient. A flow
    learns from `simulations` of parameters from the prior (uniform between the bounds, on their scale), with noise of
    `noise` mV on every sample, or, without, of one standard deviation on every residual. With more `rounds` the
    simulations are divided among them, and later ones are drawn where the earlier left probability: sharper with as
    many. The draws are independent; their `density` is the flow's. `epochs` of training keep what is best on the tenth
    of the simulations that it does not see.

    Raises `ParameterError` for parameters without bounds and arguments that make no sense, `NonFiniteError` where too
    many runs fail.
    """
    begin = time.perf_counter()
    runs = Runs(objective, model, free, settle, "estimate")
    simulations = count(simulations, "estimate: simulations", least=1000)
    rounds, draws = count(rounds, "estimate: rounds"), count(draws, "estimate: draws", least=16)
    if noise is not None:
        noise = number(noise, "mV", "estimate: noise", above=0.0)
    if progress is not None:
        flag(progress, "estimate: progress")
    estimator = learned_from(
        runs, noise, simulations, rounds, count(epochs, "estimate: epochs"), seed, Telling(progress)
    )
    z, density = _inside(estimator, observed(estimator), draws)
    per = len(z) // CHAINS
    z, density = z[: per * CHAINS].reshape(CHAINS, per, -1), density[: per * CHAINS].reshape(CHAINS, per)
    known = np.nan if noise is None else noise
    inside = density + 0.5 * np.square(z).sum(-1)
    u = np.asarray(ndtr(jnp.asarray(z)), float)
    return Posterior(runs, u, inside, np.full(density.shape, known), "flow", time.perf_counter() - begin)


def learned_from(
    runs: Runs, noise: float | None, simulations: int, rounds: int, epochs: int, seed: int, told: Telling
) -> Estimator:
    """Return a flow that has learned from simulations, in rounds."""
    estimator = Estimator(runs, noise, count(seed, "estimate: seed", least=0))
    for k in range(rounds):
        estimator.simulate(simulations // rounds, told)
        told("learning", k / rounds)
        estimator.train(epochs)
        if k + 1 < rounds:
            estimator.narrow(observed(estimator))
    return estimator


def observed(estimator: Estimator) -> Float[np.ndarray, " feature"]:
    """Return the features of what was recorded."""
    return estimator.features(estimator.runs.objective.voltages[None])[0]


def _inside(estimator: Estimator, x: np.ndarray, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Return draws that no round has left out, and their log densities; a flow leaks a little."""
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for _ in range(20):
        z, density = (leaf[0] for leaf in estimator.draws(x[None], draws))
        inside = estimator.inside(z)
        found.append((z[inside], density[inside]))
        if sum(len(z) for z, _ in found) >= draws:
            break
    z, density = (np.concatenate(leaf)[:draws] for leaf in zip(*found, strict=True))
    return z, density
