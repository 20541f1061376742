"""`posterior`: how sure a recording makes one of the parameters of a model."""

import time
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr

from ...base.checks import count, flag
from ...base.errors import CajaxWarning, ParameterError
from ...model.model import Model
from ...train.free import Free
from ...train.interrupt import Interrupt
from ..objective import Objective
from .chains import Chains, Drawn
from .climb import Modes, climbed
from .draws import Posterior
from .likelihood import Likelihood, prior
from .progress import Telling
from .runs import SETTLE, Runs
from .starts import coordinates, screened, standard
from .transport import Transport, stacked

METHODS = ("hmc", "nuts", "laplace")


def posterior(
    objective: Objective,
    model: Model,
    free: Free,
    *,
    noise: float | None = None,
    correlation: float = 0.0,
    start: Any = None,
    method: str = "hmc",
    chains: int = 16,
    draws: int = 250,
    seed: int = 0,
    settle: float = SETTLE,
    progress: bool | None = None,
) -> Posterior:
    """Draw the parameters `free` of `model` (all with bounds) from their distribution given the recorded voltages.

    - The likelihood: every sample is the model's voltage plus Gaussian noise of standard deviation `noise` mV on the
      grid of the runs; None: unknown, with the prior 1/σ, so that what the model cannot do counts as noise.
      `correlation` (ms) of the noise makes samples worth less; see `Likelihood`. The prior is uniform between the
      bounds, or in the logarithm where they lie a decade or more apart. The terms of the objective play no part.
    - `start`: the `Result` of a search of the same parameters, or coordinates; by default the best of 512 draws from
      the prior, which is enough for few parameters only. From there the modes are climbed to.
    - `method`: "hmc", Hamiltonian Monte Carlo by `blackjax` with all `chains` as lanes of one program and trajectories
      of equal length; "nuts", whose lanes wait for the longest; "laplace", a normal distribution around the best mode.
    - `settle`: ms that a run has to come to rest before a sweep begins.

    Chains move in coordinates in which the posterior is nearly normal, learned in a warm-up. Ctrl-C while they draw
    returns what there is. A run that fails has probability zero. Warns where chains have not mixed. Raises
    `ParameterError` for parameters without bounds and arguments that make no sense, `NonFiniteError` where every start
    fails.
    """
    begin = time.perf_counter()
    likelihood = Likelihood(
        Runs(objective, model, free, settle, "posterior"), noise, correlation, "posterior"
    )
    chains, draws, seed = _checked(method, chains, draws, seed, progress)
    told = Telling(progress)
    found = _modes(likelihood, start, seed, told)
    data = likelihood.runs.data[None]
    if method == "laplace":
        drawn = _laplace(likelihood, found, chains, draws, seed)
    else:
        drawn = _chains(likelihood, found, data, method, chains, draws, seed, told)
    result = _posterior(likelihood, drawn, method, seed, time.perf_counter() - begin)
    if method != "laplace":
        _warn_unmixed(result)
    return result


def _checked(method: Any, chains: Any, draws: Any, seed: Any, progress: Any) -> tuple[int, int, int]:
    """Return how many chains and draws, and the seed; `ParameterError` for what makes no sense."""
    if method not in METHODS:
        raise ParameterError(
            f"posterior: method {method!r:.40} must be one of {', '.join(map(repr, METHODS))}"
        )
    if progress is not None:
        flag(progress, "posterior: progress")
    chains, draws = count(chains, "posterior: chains"), count(draws, "posterior: draws", least=4)
    return chains, draws, count(seed, "posterior: seed", least=0)


def _warn_unmixed(result: Posterior) -> None:
    if not result.mixed:
        warnings.warn(
            f"posterior: the chains have not mixed (R-hat {np.max(result.rhat):.2f}, {np.min(result.ess):.0f} effective"
            " draws): draw more, or look for separate modes in .u",
            CajaxWarning,
            stacklevel=3,
        )


def _modes(likelihood: Likelihood, start: Any, seed: int, told: Telling) -> Modes:
    """Return where climbs from the starts end, for the one problem that there is."""
    runs = likelihood.runs
    u = coordinates(start, len(runs.box))
    if u is None:
        u = np.concatenate([runs.box.start()[None], screened(likelihood, runs.data[None], seed)[0]])
    return climbed(likelihood.local, standard(u)[None], runs.data[None], told.of("climbing"))


def _chains(
    likelihood: Likelihood,
    modes: Modes,
    data: Any,
    method: str,
    chains: int,
    draws: int,
    seed: int,
    told: Telling,
) -> Drawn:
    maps = modes.maps()
    sampler = Chains(likelihood.density, data, method, seed)
    places = modes.spread(likelihood.density, maps, data, chains, seed)
    maps, places = sampler.warmed(maps, places, told.of("warming up"))
    with Interrupt() as interrupt:

        def stop(share: float) -> bool:
            told("drawing", share)
            return interrupt.asked

        return sampler.drawn(maps, places, draws, stop)


def _laplace(likelihood: Likelihood, modes: Modes, chains: int, draws: int, seed: int) -> Drawn:
    """Draw from the normal distribution around the best mode; log densities are that distribution's."""
    transport = stacked(modes.maps(), np.dtype(likelihood.runs.dtype))
    w = np.random.default_rng(seed).standard_normal((1, chains, draws, modes.z.shape[-1]))
    forward = jax.vmap(jax.vmap(jax.vmap(Transport.forward, (None, 0)), (None, 0)))
    z = np.asarray(forward(transport, jnp.asarray(w, likelihood.runs.dtype)), float)
    density = modes.value[0, 0] - 0.5 * np.square(w).sum(-1)
    return Drawn(z, density, float("nan"), float("nan"), float("nan"))


def _posterior(likelihood: Likelihood, drawn: Drawn, method: str, seed: int, seconds: float) -> Posterior:
    z, density = np.asarray(drawn.z[0], float), np.asarray(drawn.density[0], float)
    noise = likelihood.noises(density, z, seed)
    # The log density in u has no part of the change of coordinates.
    inside = density - np.asarray(jax.vmap(jax.vmap(prior))(jnp.asarray(z)), float)
    u = np.asarray(ndtr(jnp.asarray(z)), float)
    return Posterior(
        likelihood.runs, u, inside, noise, method, seconds, drawn.accepted, drawn.diverged, drawn.gradients
    )
