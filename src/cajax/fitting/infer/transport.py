"""Coordinates in which a posterior is close to a standard normal: its correlations and its bends taken out.

Recordings of spikes decide some combinations of parameters a thousand times better than others, and the well decided
one turns on the way along the badly decided one: the posterior is a thin bent sheet. A triangular map makes it nearly
straight: Parno & Marzouk (2018), SIAM/ASA J Uncertainty Quantification 6:645. Its determinant is constant, so that a
density needs no correction.
"""

from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr

from ...base.types import Array, Float

LEAST = 1e-3
"""Least standard deviation of a parameter, in z; that of the prior is 1."""
RIDGE = 1e-5
"""Penalty on the terms of the map, as a share of the draws."""
BETTER = 0.98
"""Terms are added where they lower the mean square error below this share."""
PAIRED = 32
"""With more parameters there are no products of two."""


@final
class Transport(NamedTuple):
    """From standard normal w to z, one parameter after the other in the order `order`: the widest in z first.

    Those are the least decided ones, and those at a bound. x_k = spread_k w_k + weights_k · terms(x, y) of those
    before k, where x = (z − centre)/scale, which has no bounds, and y = (Φ(z) − middle)/width, in which what is
    straight in the box is straight. Terms are 1, x, products of two x, x³, y, products of two y. Arrays:
    `order`, `centre`, `scale`,
    `middle`, `width`, `spread` [parameter], `weights` [parameter, term]; or several maps with an axis in front.
    """

    order: Any
    centre: Any
    scale: Any
    middle: Any
    width: Any
    spread: Any
    weights: Any

    def forward(self, w: Float[Array, " parameter"]) -> Float[Array, " parameter"]:
        """Return z for standard coordinates w."""
        x = y = jnp.zeros_like(w)
        for k in range(w.shape[0]):
            x = x.at[k].set(self.spread[k] * w[k] + (self.weights[k] * _terms(x, y)).sum())
            y = y.at[k].set(self._flat(x[k], k))
        return jnp.zeros_like(w).at[self.order].set(self.centre + self.scale * x)

    def inverse(self, z: Float[Array, " parameter"]) -> Float[Array, " parameter"]:
        """Return the standard coordinates of z."""
        x = (z[self.order] - self.centre) / self.scale
        y = jnp.stack([self._flat(x[k], k) for k in range(len(z))])
        before = jnp.tril(jnp.ones((len(z), len(z)), z.dtype), -1)
        terms = jax.vmap(lambda own: _terms(x * own, y * own))(before)
        return (x - (self.weights * terms).sum(-1)) / self.spread

    def _flat(self, x: Array, k: int) -> Array:
        return (ndtr(self.centre[k] + self.scale[k] * x) - self.middle[k]) / self.width[k]


def laplace(
    z: Float[np.ndarray, " parameter"], curvature: Float[np.ndarray, "parameter parameter"]
) -> Transport:
    """Return the map of the normal density at a mode z, from the curvature of its log density there."""
    size, axes = np.linalg.eigh(np.asarray(curvature, float))
    covariance = (axes / np.maximum(size, 1.0)) @ axes.T  # a posterior is not wider than its prior
    sd = np.sqrt(np.diag(covariance))
    order = np.argsort(-sd, kind="stable")
    own = covariance[np.ix_(order, order)] / np.outer(sd[order], sd[order])
    root = np.linalg.cholesky(own + 1e-9 * np.eye(len(z)))
    spread = np.diag(root)
    slope = np.eye(len(z)) - np.linalg.inv(root / spread)
    weights = np.zeros((len(z), _size(len(z))))
    weights[:, 1 : 1 + len(z)] = np.tril(slope, -1)
    one = np.ones(len(z))
    return Transport(order, np.asarray(z, float)[order], sd[order], 0.5 * one, 0.3 * one, spread, weights)


def learned(z: Float[np.ndarray, "chain draw parameter"]) -> Transport:
    """Return the map learned from draws.

    Each parameter has as many terms as let the odd chains predict the even ones best.
    """
    from scipy.special import ndtr

    z = np.asarray(z, float)
    order = np.argsort(-z.std((0, 1)), kind="stable")
    z = z[..., order]
    u = ndtr(z)
    centre, scale = z.mean((0, 1)), np.maximum(z.std((0, 1)), LEAST)
    middle, width = u.mean((0, 1)), np.maximum(u.std((0, 1)), 1e-6)
    x, y = (z - centre) / scale, (u - middle) / width
    d = len(order)
    spread, weights = np.ones(d), np.zeros((d, _size(d)))
    for k in range(d):
        before = (np.arange(d) < k).astype(float)
        terms = _terms(x * before, y * before)
        missed, chosen = np.inf, np.zeros(terms.shape[-1], bool)
        for option in _options(d, k):
            off = _missed(terms[..., option], x[..., k])
            if off < BETTER * missed:
                missed, chosen = off, option
        weights[k, chosen] = _fitted(terms[..., chosen], x[..., k])
        spread[k] = max(float((x[..., k] - terms @ weights[k]).std()), 1e-4)
    return Transport(order, centre, scale, middle, width, spread, weights)


def stacked(maps: list[Transport], dtype: np.dtype) -> Transport:
    """Return several maps as one with an axis in front."""
    order, *leaves = zip(*maps, strict=True)
    return Transport(jnp.asarray(np.stack(order)), *(jnp.asarray(np.stack(x), dtype) for x in leaves))


def _size(d: int) -> int:
    return 1 + 3 * d + 2 * len(_pairs(d)[0])


def _pairs(d: int) -> tuple[np.ndarray, np.ndarray]:
    return np.triu_indices(d if d <= PAIRED else 0)


def _terms(x: Any, y: Any) -> Any:
    """Return 1, x, the products of two x, x³, y, and the products of two y [..., term]."""
    xp = jnp if isinstance(x, jax.Array) else np
    rows, columns = _pairs(x.shape[-1])
    one = xp.ones((*x.shape[:-1], 1), x.dtype)
    return xp.concatenate(
        [one, x, x[..., rows] * x[..., columns], x**3, y, y[..., rows] * y[..., columns]], -1
    )


def _options(d: int, k: int) -> list[np.ndarray]:
    """Return which terms may stand for parameter k, few first."""
    rows, columns = _pairs(d)
    single, double = np.arange(d) < k, (rows < k) & (columns < k)
    none, no = np.zeros(d, bool), np.zeros(len(rows), bool)
    one = np.ones(1, bool)
    kinds = [
        (single, no, none, none, no),
        (single, double, none, none, no),
        (single, no, none, single, no),
        (single, double, single, none, no),
        (single, no, none, single, double),
        (single, double, single, single, double),
    ]
    return [np.concatenate([one, *kind]) for kind in (kinds if k else kinds[:1])]


def _fitted(terms: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the weights of terms [chain, draw, term] that predict y [chain, draw]; a ridge on all but the first."""
    a, b = terms.reshape(-1, terms.shape[-1]), y.ravel()
    normal = a.T @ a
    penalty = RIDGE * np.diag(normal).copy()
    penalty[0] = 0.0
    return np.linalg.solve(normal + np.diag(penalty), a.T @ b)


def _missed(terms: np.ndarray, y: np.ndarray) -> float:
    """Return the mean square error of what odd chains (or draws, of one chain) say of the others."""
    if len(terms) == 1:
        terms, y = terms.swapaxes(0, 1), y.swapaxes(0, 1)
    weights = _fitted(terms[1::2], y[1::2])
    return float(np.mean(np.square(y[::2] - terms[::2] @ weights)))
