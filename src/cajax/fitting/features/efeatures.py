"""`efeatures`: the features of eFEL by their names, as functions of the voltage with exact derivatives."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...base.checks import count, flag, number, reals, text
from ...base.errors import ParameterError, unknown
from ...base.types import Array, ArrayLike, Float
from .catalogue import FEATURES, NEEDS_AMPLITUDE
from .grid import Clock, Edges, Options, edges_of, grid_of
from .spikes import together
from .trace import Trace


def efeatures(
    v: Float[ArrayLike, "... time"],
    t: Any,
    names: Sequence[str] | str,
    on: Any,
    off: Any,
    *,
    amplitude: Any = None,
    most: int = 128,
    threshold: float = -20.0,
    step: float = 0.1,
    exact: bool = False,
) -> dict[str, Float[Array, "..."]]:
    """Return electrophysiological features of voltages, by the names and with the values of eFEL.

    `v` [..., time] mV, at the times `t` (ms) [time], uniform, or one number: the interval between samples, from 0 on.
    The stimulus acts from `on` to `off` (ms) and has an `amplitude` (nA), which input resistances need; these are
    numbers, or arrays that fit the leading axes of `v`. Returns name → [...] or, for a feature of every spike,
    [..., most]: first the spikes, then NaN. What does not exist (no spikes) is NaN, with a derivative of zero.

    All is defined on samples every `step` ms, between which eFEL interpolates linearly; spikes exceed `threshold` mV.
    A trace with more than `most` spikes has its right `Spikecount`; all else that depends on spikes is then NaN. Of a
    voltage that is not finite, all is NaN.

    Works under `jit`, `vmap`, `grad`, `jvp`. Times and voltages of events have the derivatives of the event between
    samples (implicit-function theorem); the values are eFEL's, of samples, unless `exact`: then they are those between
    samples, which change smoothly. Numbers of spikes have no derivative. Differences from eFEL: docs/efeatures.md.

    Raises `UnknownNameError` for a name that is no feature, `ParameterError` for shapes that do not fit.
    Source: eFEL 5.7 (openbraininstitute/eFEL), its documentation of every feature.
    """
    chosen = _chosen(names)
    v = _voltages(v)
    grid = grid_of(t, v.shape[-1], number(step, "ms", "efeatures step", above=0.0))
    options = Options(
        chosen, count(most, "efeatures: most", least=2), number(threshold, "mV", "efeatures threshold"),
        flag(exact, "efeatures: exact"), grid.step, grid.samples, grid.stride,
    )  # fmt: skip
    lead = v.shape[:-1]
    stimulus = _stimulus(chosen, on, off, amplitude, lead)
    time, spans, past, gap = (jnp.asarray(x, v.dtype) for x in (grid.time, grid.spans, grid.past, grid.gap))
    clock = Clock(time, spans, jnp.asarray(grid.left), past, gap)
    own = (jnp.asarray(x, v.dtype) for x in stimulus)
    single, many = _compiled(options, v.reshape(-1, v.shape[-1]), clock, edges_of(grid, *stimulus[:2]), *own)
    columns = {True: iter(jnp.unstack(many, axis=1)), False: iter(jnp.unstack(single, axis=1))}
    found = {name: next(columns[FEATURES[name].per_spike]) for name in chosen}
    return {name: x.reshape(*lead, *x.shape[1:]) for name, x in found.items()}


def _stimulus(
    chosen: tuple[str, ...], on: Any, off: Any, amplitude: Any, lead: tuple[int, ...]
) -> tuple[Any, Any, Any]:
    """Return begin (ms), end (ms) and amplitude (nA) of the stimulus for every trace, each [trace]."""
    on, off = _per_trace(on, "ms", "on", lead), _per_trace(off, "ms", "off", lead)
    _ordered(on, off)
    if amplitude is None and (wanting := [n for n in chosen if n in NEEDS_AMPLITUDE]):
        raise ParameterError(f"efeatures: {wanting[0]} needs amplitude=, the size of the current step in nA")
    return on, off, _per_trace(0.0 if amplitude is None else amplitude, "nA", "amplitude", lead)


def _chosen(names: Any) -> tuple[str, ...]:
    """Return the names of features, each once; `UnknownNameError` for one that is none."""
    listed = (names,) if isinstance(names, str) else tuple(names)
    for name in listed:
        if text(name, "efeatures: a name") not in FEATURES:
            raise unknown("feature", name, FEATURES, "efeatures")
    return tuple(dict.fromkeys(listed))


def _voltages(v: Any) -> Array:
    """Return voltages as a JAX array; those that are not finite are allowed, since a run may have failed."""
    given = v if isinstance(v, jax.Array) else np.asarray(v)
    if not np.ndim(given) or not (
        jnp.issubdtype(given.dtype, jnp.floating) or jnp.issubdtype(given.dtype, jnp.integer)
    ):
        raise ParameterError("efeatures: v must be voltages in mV as an array [..., time]")
    return jnp.asarray(given) if jnp.issubdtype(given.dtype, jnp.floating) else jnp.asarray(given, float)


def _per_trace(x: Any, unit: str, name: str, lead: tuple[int, ...]) -> Any:
    """Return a number for every trace, [trace]; on the host in double precision unless it is traced."""
    value = reals(x, unit, f"efeatures {name}")
    try:
        if isinstance(value, np.ndarray):
            return np.broadcast_to(value.astype(float), lead).reshape(-1)
        return jnp.broadcast_to(value, lead).reshape(-1)
    except ValueError:
        raise ParameterError(
            f"efeatures: {name} has shape {np.shape(value)}, which does not fit the traces {lead}; give one for all,"
            " or one for each"
        ) from None


def _ordered(on: Any, off: Any) -> None:
    if isinstance(on, np.ndarray) and isinstance(off, np.ndarray) and (late := off <= on).any():
        k = int(late.argmax())
        raise ParameterError(f"efeatures: off = {off[k]:g} ms must be later than on = {on[k]:g} ms")


@partial(jax.jit, static_argnums=0)
def _compiled(
    options: Options, v: Array, clock: Clock, edges: Edges, on: Array, off: Array, amplitude: Array
) -> tuple[Array, Array]:
    """Return the features of all traces [trace, sample] that are one number [trace, feature], and the others."""
    one = partial(_of_trace, options, clock)
    return together(lambda *group: jax.vmap(one)(*group), v, edges, on, off, amplitude)


def _of_trace(
    options: Options, clock: Clock, v: Array, edges: Edges, on: Array, off: Array, amplitude: Array
) -> tuple[Array, Array]:
    """Return the features of one trace [sample] that are one number [feature], and the others [feature, spike]."""
    # Features of a run that failed are NaN; here, before, so that no derivative is.
    fine = jnp.isfinite(v.sum())
    x = Trace(options, clock, jnp.where(jnp.isfinite(v), v, 0.0), edges, on, off, amplitude)
    few = (
        fine & (x.spikes.total <= x.most) if any(FEATURES[n].of != "voltage" for n in options.names) else fine
    )
    found: tuple[list[Array], list[Array]] = ([], [])
    allowed: list[Array] = []
    for name in options.names:
        feature = FEATURES[name]
        found[feature.per_spike].append(x.once(feature.compute))
        if not feature.per_spike:
            allowed.append(few if feature.of == "spiking" else fine)
    # The last word on what does not exist: no derivative passes a NaN.
    single, many = (jnp.stack(values) if values else jnp.zeros((0,), v.dtype) for values in found)
    single = jnp.where(jnp.isfinite(single) & jnp.stack(allowed), single, jnp.nan) if allowed else single
    return single, jnp.where(jnp.isfinite(many) & few, many, jnp.nan) if found[1] else many
