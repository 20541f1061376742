"""Losses and scores: scalars made of traces, logits and labels."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ..base.errors import ParameterError
from ..base.types import Array, ArrayLike, Float, Int


def mse(v: Float[Array, "..."], target: Float[ArrayLike, "..."]) -> Float[Array, ""]:
    """Mean squared error, in the unit of `v` squared; `target` is broadcast to `v`.

    Raises `ParameterError` when the shapes do not fit.
    """
    return jnp.mean(jnp.square(_difference("mse", v, target)))


def mae(v: Float[Array, "..."], target: Float[ArrayLike, "..."]) -> Float[Array, ""]:
    """Mean absolute error, in the unit of `v`; `target` is broadcast to `v`.

    Raises `ParameterError` when the shapes do not fit.
    """
    return jnp.mean(jnp.abs(_difference("mae", v, target)))


def cross_entropy(
    logits: Float[Array, "*batch classes"], labels: Int[ArrayLike, "*batch"]
) -> Float[Array, ""]:
    """Mean cross-entropy in nats of integer labels under `softmax(logits)` along the last axis.

    Raises `ParameterError` when labels are not whole numbers in the logits' leading shape, or too large.
    """
    labels = _labels("cross_entropy", logits, labels)
    chosen = jnp.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
    return jnp.mean(jax.nn.logsumexp(logits, axis=-1) - chosen)


def accuracy(logits: Float[Array, "*batch classes"], labels: Int[ArrayLike, "*batch"]) -> Float[Array, ""]:
    """Fraction of cases whose largest logit is the label's; it has no gradient.

    Raises `ParameterError` as `cross_entropy` does.
    """
    labels = _labels("accuracy", logits, labels)
    return jnp.mean(jnp.argmax(logits, axis=-1) == labels, dtype=jnp.result_type(logits))


def _difference(name: str, v: Array, target: ArrayLike) -> Array:
    shape, wanted = jnp.shape(target), jnp.shape(v)
    # Broadcasting that enlarges `v` ([batch] against [batch, 1]) is a mistake that would train in silence.
    if len(shape) > len(wanted) or any(
        t not in (1, w) for t, w in zip(shape[::-1], wanted[::-1], strict=False)
    ):
        raise ParameterError(
            f"{name}: the target has shape {shape}, which does not fit {wanted}; reshape the target"
        )
    return v - jnp.broadcast_to(jnp.asarray(target, dtype=jnp.result_type(v)), jnp.shape(v))


def _labels(name: str, logits: Array, labels: ArrayLike) -> Array:
    shape, wanted, classes = jnp.shape(labels), jnp.shape(logits)[:-1], jnp.shape(logits)[-1]
    if shape != wanted or not jnp.issubdtype(jnp.result_type(labels), jnp.integer):
        raise ParameterError(
            f"{name}: labels are {jnp.result_type(labels)} of shape {shape}; "
            f"logits of shape {jnp.shape(logits)} need whole numbers of shape {wanted}"
        )
    if not isinstance(labels, Tracer):
        known = np.asarray(labels)
        if known.size and not 0 <= known.min() <= known.max() < classes:
            raise ParameterError(
                f"{name}: labels run from {known.min()} to {known.max()}, but there are {classes} logits; "
                f"number the classes 0 to {classes - 1}"
            )
    return jnp.asarray(labels)
