"""Where to look for modes: candidates of a search, given coordinates, or the best of many draws from the prior."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri

from ...base.checks import array_of, is_real, shown
from ...base.errors import ParameterError
from ...base.types import Float
from ..search import Result
from .likelihood import Likelihood
from .runs import LANES

DRAWN, CHOSEN = 512, 8
"""Draws from the prior, and how many of them are begun from."""


def coordinates(start: Any, parameters: int) -> Float[np.ndarray, "start parameter"] | None:
    """Return the coordinates u that a user gives to start from; None where it is left to us."""
    if start is None:
        return None
    if isinstance(start, Result):
        given = start.members(CHOSEN)
    else:
        given = array_of(start)
    if given is None or not is_real(given.dtype) or given.ndim not in (1, 2) or given.shape[-1] != parameters:
        raise ParameterError(
            f"posterior: start is {shown(start)}; give the result of a search of the same {parameters} parameters,"
            " or coordinates from 0 to 1, [parameter] or [start, parameter]"
        )
    given = np.atleast_2d(np.asarray(given, float))
    if not len(given) or not ((given >= 0.0) & (given <= 1.0)).all():
        raise ParameterError(
            "posterior: coordinates to start from lie between 0 and 1, those of a box's bounds"
        )
    return given


def standard(u: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Return z for coordinates u, which on a bound itself are moved inside."""
    return np.asarray(ndtri(np.clip(np.asarray(u, float), 1e-4, 1.0 - 1e-4)), float)


def screened(
    likelihood: Likelihood, data: Any, seed: int, drawn: int = DRAWN, chosen: int = CHOSEN
) -> Float[np.ndarray, "problem start parameter"]:
    """Return for every problem the coordinates u of the best of `drawn` draws from the prior, by their runs.

    The draws are run once for all problems, from where the objective's voltages were recorded.
    """
    runs = likelihood.runs
    u = np.random.default_rng(seed).uniform(size=(drawn, len(runs.box)))
    off = jax.vmap(lambda own, v: jnp.square((v - own) * runs.mask).sum(), (None, 0))
    compare = jax.jit(jax.vmap(off, (0, None)))
    misfit = []
    for k in range(0, drawn, LANES):
        v = runs.traces(u[k : k + LANES])
        misfit.append(np.asarray(compare(data, jnp.asarray(v, runs.dtype)), float))
    cost = np.concatenate(misfit, 1)
    cost = np.where(np.isfinite(cost), cost, np.inf)
    return u[np.argsort(cost, 1, kind="stable")[:, : min(chosen, drawn)]]
