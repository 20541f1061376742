"""Have chains mixed: split R-hat and effective sample size of ranked draws.

Source: Vehtari et al. (2021), Bayesian Analysis 16:667.
"""

import numpy as np

from ...base.types import Float


def rhat(draws: Float[np.ndarray, "chain draw parameter"]) -> Float[np.ndarray, " parameter"]:
    """Return the rank-normalized split R-hat of every parameter, the larger of bulk's and tails'; 1 is mixed.

    NaN with fewer than four draws in a chain.
    """
    halves = _halved(np.asarray(draws, float))
    folded = np.abs(halves - np.median(halves, (0, 1)))
    return np.maximum(_rhat(_normal(halves)), _rhat(_normal(folded)))


def ess(draws: Float[np.ndarray, "chain draw parameter"]) -> Float[np.ndarray, " parameter"]:
    """Return the effective number of independent draws (bulk) of every parameter.

    NaN with fewer than four draws in a chain.
    """
    return _ess(_normal(_halved(np.asarray(draws, float))))


def _halved(x: np.ndarray) -> np.ndarray:
    """Return every chain as two."""
    half = x.shape[1] // 2
    return np.concatenate([x[:, :half], x[:, x.shape[1] - half :]])


def _normal(x: np.ndarray) -> np.ndarray:
    """Return the normal scores of the ranks of every parameter over all chains."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    ranks = rankdata(x.reshape(-1, x.shape[-1]), axis=0)
    return ndtri((ranks - 0.375) / (len(ranks) + 0.25)).reshape(x.shape)


def _variances(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean variance within chains, and the variance that all draws together stand for."""
    n = x.shape[1]
    within = x.var(1, ddof=1).mean(0)
    return within, (n - 1) / n * within + x.mean(1).var(0, ddof=1)


def _rhat(x: np.ndarray) -> np.ndarray:
    if x.shape[1] < 2:
        return np.full(x.shape[-1], np.nan)
    within, total = _variances(x)
    return np.sqrt(np.divide(total, within, out=np.full(within.shape, np.nan), where=within > 0.0))


def _ess(x: np.ndarray) -> np.ndarray:
    chains, n, _ = x.shape
    if n < 2:
        return np.full(x.shape[-1], np.nan)
    within, total = _variances(x)
    size = 2 ** int(np.ceil(np.log2(2 * n)))
    spectrum = np.fft.rfft(x - x.mean(1, keepdims=True), size, axis=1)
    covariance = np.fft.irfft(np.abs(spectrum) ** 2, size, axis=1)[:, :n].mean(0) / n
    covariance *= n / (n - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = 1.0 - (within - covariance) / total
    rho[0] = 1.0
    # Geyer's initial monotone sequence: sums of pairs, as long as they are positive, never rising.
    pairs = rho[: n // 2 * 2].reshape(n // 2, 2, -1).sum(1)
    positive = np.logical_and.accumulate(pairs > 0.0, 0)
    pairs = np.minimum.accumulate(np.where(positive, pairs, 0.0), 0)
    time = np.maximum(-1.0 + 2.0 * pairs.sum(0), 1.0 / np.log10(max(chains * n, 10)))
    return np.where(within > 0.0, chains * n / time, np.nan)
