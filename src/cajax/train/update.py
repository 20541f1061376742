"""One step of training as a pure function of arrays, compiled once per shape of batch."""

from collections.abc import Callable
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp

from ..base.errors import ParameterError
from ..base.types import Array
from .checkpoints import State
from .free import Free
from .optimizers import global_norm


@final
class Report(NamedTuple):
    """What a step tells the host: all of it small."""

    loss: Array
    grad_norm: Array
    peaks: dict[str, Array]  # path → largest absolute gradient
    good: Array  # whether loss, gradients and new parameters are all finite
    aux: Any


def make_update(loss: Callable[..., Any], free: Free, optimizer: Any, has_aux: bool) -> Callable[..., Any]:
    """Return `update(state, model, batch, key, step) -> (state, Report)`.

    A step that is not finite leaves the state as it was, so that the last good one is never lost, although
    its buffers are given away. `batch` and `key` are tuples of at most one entry.
    """
    import optax

    optimizer = optax.with_extra_args_support(optimizer)

    def objective(theta: Any, model: Any, extra: tuple[Any, ...]) -> tuple[Array, Any]:
        return _checked(loss(free.apply(model, theta), *extra), has_aux)

    def update(state: State, model: Any, batch: tuple[Any, ...], key: tuple[Any, ...], step: Array) -> Any:
        extra = (*batch, *(jax.random.fold_in(k, step) for k in key))
        (value, aux), grads = jax.value_and_grad(objective, has_aux=True)(state.theta, model, extra)
        changes, inner = optimizer.update(
            grads,
            state.optimizer,
            state.theta,
            value=value,
            grad=grads,
            value_fn=lambda theta: objective(theta, model, extra)[0],
        )
        theta: Any = optax.apply_updates(state.theta, changes)
        new = State(theta, inner)
        peaks = {path: jnp.max(jnp.abs(grad), initial=0.0) for path, grad in grads.items()}
        finite = [value, *peaks.values(), *(jnp.sum(jnp.abs(theta)) for theta in new.theta.values())]
        good = jnp.all(jnp.stack([jnp.isfinite(x) for x in finite]))
        state = jax.tree.map(lambda after, before: _select(good, after, before), new, state)
        return state, Report(value, global_norm(grads), peaks, good, aux)

    return update


@final
class Compiled:
    """`update`, compiled ahead of the call, once for each shape of batch.

    `jax.jit` itself would compile twice when the loss runs on several devices: its first call sees a state
    on one device, the second one the same state on all of them.
    """

    def __init__(self, update: Callable[..., Any], donate: bool) -> None:
        self._jit = jax.jit(update, donate_argnums=(0,) if donate else ())
        self._programs: dict[Any, Any] = {}

    def __call__(
        self, state: State, model: Any, batch: tuple[Any, ...], key: tuple[Any, ...], step: int
    ) -> Any:
        batch = jax.tree.map(jnp.asarray, batch)
        arguments = (state, model, batch, key, jnp.asarray(step, dtype=jnp.int32))
        leaves, tree = jax.tree.flatten(batch)
        shape = (tree, tuple((leaf.shape, leaf.dtype, leaf.weak_type, leaf.sharding) for leaf in leaves))
        if shape not in self._programs:
            self._programs[shape] = self._jit.lower(*arguments).compile()
        return self._programs[shape](*arguments)


def own(tree: Any) -> Any:
    """Copy every array, so that its buffer may be given away, with a fixed type, so that nothing recompiles."""
    return jax.tree.map(lambda leaf: jnp.array(leaf, dtype=jnp.result_type(leaf), copy=True), tree)


def _select(good: Array, after: Any, before: Any) -> Array:
    chosen = jnp.where(good, after, before)
    if jnp.issubdtype(before.dtype, jax.dtypes.prng_key):
        return chosen
    return jax.lax.convert_element_type(
        chosen, before.dtype
    )  # the type the program was compiled for, never a weak one


def _checked(result: Any, has_aux: bool) -> tuple[Array, Any]:
    if has_aux:
        if not (isinstance(result, tuple) and len(result) == 2):
            raise ParameterError("fit: with has_aux=True the loss must return a pair (loss, aux)")
        value, aux = result
    elif isinstance(result, tuple):
        raise ParameterError("fit: the loss returns a tuple; pass has_aux=True if it is a pair (loss, aux)")
    else:
        value, aux = result, None
    value = jnp.asarray(value)
    if value.shape != () or not jnp.issubdtype(value.dtype, jnp.floating):
        raise ParameterError(
            f"fit: the loss must be one real number, but is {value.dtype} of shape {value.shape}; "
            "take jnp.mean of it"
        )
    return value, aux
