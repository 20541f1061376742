"""Can intervals be trusted: inference on many recordings simulated from known parameters, as lanes of one program."""

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr

from ...base.checks import count, number
from ...base.errors import ParameterError
from ...base.show import text_of
from ...base.types import Array, Float
from ...model.model import Model
from ...train.free import Free
from ..box import Box
from ..objective import Objective
from .chains import Chains
from .climb import climbed
from .diagnose import rhat
from .flow import EPOCHS, learned_from
from .likelihood import Likelihood
from .predict import predicted
from .progress import Telling
from .runs import LANES, SETTLE, Runs
from .starts import screened, standard
from .table import span, table_of

if TYPE_CHECKING:
    from rich.table import Table

RANKED, BINS = 99, 10
"""Draws among which a true value is ranked, and bins of ranks that are compared with a uniform distribution."""
PREDICTING = 64
"""Draws that a prediction is made of."""


@final
@dataclass(frozen=True, eq=False)
class Calibration:
    """What inference says of recordings whose parameters are known.

    `truth` [truth, parameter] and `u` [truth, chain, draw, parameter] are coordinates of the box: what the recordings
    `data` [truth, sweep, place, sample] (mV) were made with, and what was drawn given each of them. `predicted` [truth]
    is the share of held-out samples, noise included, in the 90 % interval that the draws predict; NaN without any.
    """

    box: Box
    truth: Float[np.ndarray, "truth parameter"]
    u: Float[np.ndarray, "truth chain draw parameter"]
    data: Float[np.ndarray, "truth sweep place sample"]
    predicted: Float[np.ndarray, " truth"]
    seconds: float

    @property
    def flat(self) -> Float[np.ndarray, "truth draw parameter"]:
        """All draws given each recording."""
        return self.u.reshape(len(self.u), -1, self.u.shape[-1])

    def inside(self, level: float = 0.9) -> np.ndarray:
        """Return which true values [truth, parameter] lie in their interval of this level."""
        tail = 0.5 - 0.5 * number(level, "1", "inside: level", above=0.0, most=1.0)
        lo, hi = np.quantile(self.flat, [tail, 1.0 - tail], axis=1)
        return (self.truth >= lo) & (self.truth <= hi)

    def coverage(self, level: float = 0.9) -> float:
        """Return the share of true values that lie in their interval of this level, of all parameters together."""
        return float(self.inside(level).mean())

    def ranks(self) -> Float[np.ndarray, "truth parameter"]:
        """Return how many of 99 draws, evenly taken from all, are below the true value."""
        flat = self.flat
        chosen = np.linspace(0, flat.shape[1] - 1, min(RANKED, flat.shape[1])).round().astype(int)
        return (flat[:, chosen] < self.truth[:, None]).sum(1)

    def p_values(self) -> Float[np.ndarray, " parameter"]:
        """Return for every parameter how likely ranks as uneven as these are if the inference is right.

        χ² over 10 bins; simulation-based calibration, Talts et al. (2018), arXiv:1804.06788.
        """
        return np.array([uniform(ranks, RANKED) for ranks in self.ranks().T])

    @property
    def rhat(self) -> Float[np.ndarray, " truth"]:
        """The largest R-hat of any parameter, given each recording."""
        return np.array([rhat(x).max() for x in self.u])

    def __rich__(self) -> "Table":
        inside, p = self.inside(), self.p_values()
        spans = [span(*binomial(int(x), len(inside))) for x in inside.sum(0)]
        rows = [
            (name, f"{x:.2f}", spans[k], f"{p[k]:.3f}")
            for k, (name, x) in enumerate(zip(self.box.names, inside.mean(0), strict=True))
        ]
        return table_of(("parameter", "in 90 %", "95 % of that", "ranks p"), rows)

    def __str__(self) -> str:
        return text_of(self)

    def __repr__(self) -> str:
        return (
            f"Calibration({len(self.truth)} recordings: {100.0 * self.coverage():.1f} % of true values in their 90 %"
            f" interval, least p of ranks {self.p_values().min():.3f}, {self.seconds:.0f} s)"
        )


def calibrate(
    objective: Objective,
    model: Model,
    free: Free,
    *,
    noise: float,
    truths: int = 100,
    method: str = "hmc",
    chains: int = 8,
    draws: int = 250,
    held_out: Objective | None = None,
    simulations: int = 50_000,
    seed: int = 0,
    settle: float = SETTLE,
    progress: bool | None = None,
) -> Calibration:
    """Draw true parameters from the prior, simulate the protocols with noise (mV), infer them: are intervals right?

    The recordings of the objective say where cells rest; nothing else of them is used. The true values are not known to
    the inference: it begins with the best of 512 draws from the prior. All recordings are lanes of the same programs.
    `method`: "hmc" or "nuts" as in `posterior`, or "flow" as in `estimate`, which learns from `simulations` once for
    all. `held_out` protocols are simulated from the same parameters, with noise, and predicted. Raises `ParameterError`
    for arguments that make no sense.
    """
    begin = time.perf_counter()
    if method not in ("hmc", "nuts", "flow"):
        raise ParameterError(f"calibrate: method {method!r:.40} must be 'hmc', 'nuts' or 'flow'")
    runs = Runs(objective, model, free, settle, "calibrate")
    noise = number(noise, "mV", "calibrate: noise", above=0.0)
    chains, draws = count(chains, "calibrate: chains"), count(draws, "calibrate: draws", least=4)
    truth, data = simulated(
        runs, noise, count(truths, "calibrate: truths"), count(seed, "calibrate: seed", least=0)
    )
    told = Telling(progress)
    if method == "flow":
        flow = learned_from(
            runs, noise, count(simulations, "calibrate: simulations", least=1000), 1, EPOCHS, seed, told
        )
        z, _ = flow.draws(flow.features(np.asarray(data, float)), chains * draws)
        z = z.reshape(len(z), chains, draws, -1)
    else:
        z = _chains(Likelihood(runs, noise, 0.0, "calibrate"), data, method, chains, draws, seed, told)
    u = np.asarray(ndtr(jnp.asarray(z)), float)
    predicted = np.full(len(u), np.nan)
    if held_out is not None:
        predicted = _predicted(Runs(held_out, model, free, settle, "calibrate"), truth, u, noise, seed)
    return Calibration(runs.box, truth, u, np.asarray(data, float), predicted, time.perf_counter() - begin)


def _chains(
    likelihood: Likelihood, data: Array, method: str, chains: int, draws: int, seed: int, told: Telling
) -> np.ndarray:
    """Return draws z [truth, chain, draw, parameter] given every recording."""
    starts = standard(screened(likelihood, data, seed + 1))
    modes = climbed(likelihood.local, starts, data, told.of("climbing"))
    sampler = Chains(likelihood.density, data, method, seed)
    maps = modes.maps()
    maps, places = sampler.warmed(
        maps, modes.spread(likelihood.density, maps, data, chains, seed), told.of("warming up")
    )
    return sampler.drawn(maps, places, draws, told.of("drawing")).z


def _predicted(runs: Runs, truth: np.ndarray, u: np.ndarray, noise: float, seed: int) -> np.ndarray:
    """Return the share of held-out samples [truth] in the 90 % interval of what `PREDICTING` draws predict."""
    flat = u.reshape(len(u), -1, u.shape[-1])
    chosen = flat[:, np.linspace(0, flat.shape[1] - 1, min(PREDICTING, flat.shape[1])).round().astype(int)]
    own = runs.traces(truth)
    own = own + noise * np.random.default_rng([seed, 3]).standard_normal(own.shape)
    found = np.full(len(u), np.nan)
    for k, draws in enumerate(chosen):
        found[k] = replace(predicted(runs, draws, noise, seed + k), recorded=own[k]).coverage(0.9)
    return found


def simulated(runs: Runs, noise: float, truths: int, seed: int) -> tuple[np.ndarray, Array]:
    """Return true coordinates [truth, parameter] from the prior and noisy voltages [truth, sweep, place, sample].

    Runs that fail are drawn again, at most as often as there are truths.
    """
    rng = np.random.default_rng([seed, 1])
    found: list[tuple[np.ndarray, np.ndarray]] = []
    while sum(len(u) for u, _ in found) < truths and len(found) < 2 + 2 * truths // LANES:
        u = rng.uniform(size=(LANES, len(runs.box)))
        v = runs.traces(u)
        fine = np.isfinite(v).all((1, 2, 3))
        found.append((u[fine], v[fine]))
    truth, v = (np.concatenate(x)[:truths] for x in zip(*found, strict=True))
    return truth, jnp.asarray(v + noise * rng.standard_normal(v.shape), runs.dtype)


def uniform(ranks: Any, draws: int) -> float:
    """Return how likely ranks from 0 to `draws` as uneven as these are, if they are uniform: χ² over 10 bins."""
    from scipy.stats import chisquare

    edges = np.linspace(0, draws + 1, BINS + 1)
    counts, _ = np.histogram(ranks, edges)
    widths = np.diff(np.ceil(edges))  # ranks are whole numbers: as many as fall between two edges
    return float(chisquare(counts, counts.sum() * widths / widths.sum()).pvalue)


def binomial(hits: int, of: int, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of a share of which `hits` of `of` trials are known; Clopper & Pearson (1934)."""
    from scipy.stats import beta

    tail = 0.5 - 0.5 * level
    lo = 0.0 if hits == 0 else float(beta.ppf(tail, hits, of - hits + 1))
    hi = 1.0 if hits == of else float(beta.ppf(1.0 - tail, hits + 1, of - hits))
    return lo, hi
