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
MUCH = 1.0
"""By this much, in log error, another order must predict better."""
PAIRED = 32
"""With more parameters there are no products of two."""


@final
class Transport(NamedTuple):
    """From standard normal w to z, one parameter after the other in the order `order`, the best predicted last.

    x_k = spread_k w_k + weights_k · terms(x, y) of those before k, where x = (z − centre)/scale has no bounds, and what
    is straight in the box is straight in y = (Φ(z) − middle)/width. Terms are 1, x, products of two x, x³, y, products
    of two y. Arrays: `order`, `centre`, `scale`, `middle`, `width`, `spread` [parameter], `weights` [parameter, term];
    or several maps with an axis in front.
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

    Each parameter has as many terms as let the odd chains predict the even ones best. The widest one in z comes first:
    it is the least decided, or at a bound, where others follow from it but it not well from them. Another order is
    taken where it predicts much better: on a parabola the height follows from the place, not the other way round.
    """
    z = np.asarray(z, float)
    wide = np.argsort(-z.std((0, 1)), kind="stable")
    found, error = _along(z, wide)
    if z.shape[-1] <= PAIRED and (order := _predictable(z)).tolist() != wide.tolist():
        other, least = _along(z, order)
        found = other if least < error - MUCH else found
    return found


def _along(z: np.ndarray, order: np.ndarray) -> tuple[Transport, float]:
    """Return the map in a given order, and the sum of the logarithms of the errors of its predictions."""
    from scipy.special import ndtr

    x, centre, scale = _scaled(z[..., order])
    y, middle, width = _scaled(ndtr(z[..., order]))
    d, error = len(order), float(np.log(scale).sum())
    spread, weights = np.ones(d), np.zeros((d, _size(d)))
    for k in range(d):
        before = np.arange(d) < k
        terms = _terms(x * before, y * before)
        missed, chosen = np.inf, np.zeros(terms.shape[-1], bool)
        for option in _options(before):
            off = _missed(terms[..., option], x[..., k])
            if off < BETTER * missed:
                missed, chosen = off, option
        weights[k, chosen] = _fitted(terms[..., chosen], x[..., k])
        spread[k] = max(float((x[..., k] - terms @ weights[k]).std()), 1e-4)
        error += 0.5 * np.log(max(missed, 1e-8))
    return Transport(order, centre, scale, middle, width, spread, weights), error


def _scaled(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return draws [chain, draw, parameter] less their mean, over their standard deviation; and both."""
    middle, width = x.mean((0, 1)), np.maximum(x.std((0, 1)), LEAST)
    return (x - middle) / width, middle, width


def _predictable(z: np.ndarray) -> np.ndarray:
    """Return the order of parameters: from the last on, each the one that all that are left predict best."""
    from scipy.special import ndtr

    x, y = _scaled(z)[0], _scaled(ndtr(z))[0]
    d = x.shape[-1]
    left, order = np.ones(d, bool), []
    terms = _terms(x, y)
    while left.sum() > 1:
        missed = np.full(d, np.inf)
        for k in np.flatnonzero(left):
            others = left & (np.arange(d) != k)
            missed[k] = min(_missed(terms[..., option], x[..., k]) for option in _options(others)[1:5:3])
        order.append(int(missed.argmin()))
        left[order[-1]] = False
    return np.array([int(np.flatnonzero(left)[0]), *order[::-1]])


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


def _options(which: np.ndarray) -> list[np.ndarray]:
    """Return which terms may predict a parameter from others [parameter], few first."""
    rows, columns = _pairs(len(which))
    pairs = which[rows] & which[columns]
    none, no = np.zeros_like(which), np.zeros(len(rows), bool)
    kinds = [
        (which, no, none, none, no),
        (which, pairs, none, none, no),
        (which, no, none, which, no),
        (which, pairs, which, none, no),
        (which, no, none, which, pairs),
        (which, pairs, which, which, pairs),
    ]
    return [np.concatenate([np.ones(1, bool), *kind]) for kind in (kinds if which.any() else kinds[:1])]


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
    return float(np.sqrt(np.mean((y[::2] - terms[::2] @ weights) ** 4)))
