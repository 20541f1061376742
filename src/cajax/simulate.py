"""`simulate`: the one function that runs a model, and the `Solution` that it returns."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .base import units
from .base.errors import NonFiniteError, ParameterError, ProtocolError, unknown
from .base.types import Array, Bool, Float
from .engine.physics import Physics, Place, bind
from .engine.step import Method, Placed, Staggered, State, advance, initial, start_inputs
from .inputs.base import Electrode, Input, Trigger
from .inputs.spikes import Spikes
from .model.model import Model, require_model
from .model.structure import Structure, soma_of
from .record.probe import observers
from .solve import Adjoint, Checkpointed, loop


class Solution(eqx.Module):
    """What a run returns.

    `sol["v"]` is a recording `[time]`, or `[time, site…]` for several sites; `sol.ts` [time] ms has round(t1/dt) + 1
    entries, the first at the start; `sol.state` restarts the run exactly; `sol.finite` tells whether every
    voltage stayed finite.
    """

    ts: Float[Array, "time"]
    records: dict[str, Float[Array, "time ..."]]
    state: State
    finite: Bool[Array, ""]

    def __getitem__(self, name: str) -> Float[Array, "time ..."]:
        if name not in self.records:
            raise unknown("recording", name, self.records)
        return self.records[name]


def _is_traced(*trees: Any) -> bool:
    return any(isinstance(x, Tracer) for x in jax.tree.leaves(trees))


def _batch(trees: Any) -> int:
    """Return how many runs an enclosing `vmap` makes at once, as far as the tracers tell: it sizes the memory plan."""
    most = 1
    for leaf in jax.tree.leaves(trees):
        size = 1
        while isinstance(leaf, Tracer):
            inner: Any = getattr(leaf, "val", getattr(leaf, "primal", None))
            axis = getattr(leaf, "batch_dim", None)
            if isinstance(axis, int):
                size *= np.shape(inner)[axis]
            leaf = inner
        most = max(most, size)
    return most


def _number_of_steps(t1: Any, dt: Any) -> int:
    for name, value in (("t1", t1), ("dt", dt)):
        if isinstance(value, Tracer):
            raise ProtocolError(
                f"{name} is traced; simulate needs it as a plain number: close over it or make it static"
            )
        if not (np.ndim(value) == 0 and np.isfinite(value) and value > 0):
            raise ProtocolError(f"{name} = {value!r} ms must be a positive number")
    n = round(float(t1) / float(dt))
    if n < 1:
        raise ProtocolError(
            f"t1 = {t1:g} ms is shorter than half a step of dt = {dt:g} ms; nothing would run"
        )
    return n


def _placed(structure: Structure, inputs: Sequence[Input]) -> list[Placed]:
    placed = []
    for source in inputs:
        if isinstance(source, Electrode):
            placed.append(_electrode(structure, source))
            continue
        known = [x.name for x in structure.layouts] if isinstance(source, Trigger) else [
            c.name for c in structure.connections if c.events is not None and c.events.plasticity is not None
        ]  # fmt: skip
        if structure.is_cell:
            raise ProtocolError(
                f"{type(source).__name__} needs a network: add the cell and a SpikeSource() to one and connect them"
            )
        if source.at not in known:
            kind = "population" if isinstance(source, Trigger) else "plastic projection"
            raise unknown(kind, str(source.at), known, type(source).__name__)
        if isinstance(source, Spikes):
            size = structure.layout(source.at).size
            if source.times.ndim == 2 and source.times.shape[0] not in (1, size):
                raise ParameterError(
                    f"Spikes at '{source.at}' has times for {source.times.shape[0]} cells, but there are {size}"
                )
        placed.append(Placed(source))
    return placed


def _electrode(structure: Structure, source: Electrode) -> Placed:
    sites = structure.sites(source.at)
    memory = jax.eval_shape(lambda: source.start(sites.shape, jnp.result_type(float)))
    shapes = jax.eval_shape(lambda m: source.drive(jnp.zeros(()), jnp.ones(()), m), memory)
    for x in jax.tree.leaves(shapes):
        if x.ndim > sites.ndim or any(
            a not in (1, b) for a, b in zip(x.shape[::-1], sites.shape[::-1], strict=False)
        ):
            raise ParameterError(
                f"{type(source).__name__} at {source.at!r} has values of shape {x.shape}, but that place has shape"
                f" {sites.shape} in this model"
            )
    return Placed(source, Place(sites.ravel(), structure.size), sites.shape)


@partial(jax.jit, static_argnames=("record", "method", "n", "levels"))
def _run(
    model: Model,
    inputs: tuple[Input, ...],
    state: State | None,
    dt: Float[Array, ""],
    *,
    record: tuple[tuple[str, Any], ...],
    method: Method,
    n: int,
    levels: int,
) -> Solution:
    step, physics, first = _start(model, inputs, state, dt, method)
    # Without the barrier XLA folds the constant start into the loop and rounds otherwise than in a continued run.
    first = jax.lax.optimization_barrier(first)
    observe = observers(model.structure, physics, method, dict(record))
    last, records = loop(lambda now: (step(now), observe(now)), first, n, levels)
    records = jax.tree.map(lambda a, b: jnp.concatenate([a, b[None]]), records, observe(last))
    ts = first.origin + (first.n + jnp.arange(n + 1)) * dt
    # A voltage that is not finite never comes back: its cell's system is not finite from then on.
    return Solution(ts, records, last, jnp.isfinite(last.v).all())


def _start(
    model: Model, inputs: tuple[Input, ...], state: State | None, dt: Float[Array, ""], method: Method
) -> tuple[Callable[[State], State], Physics, State]:
    """Return the step of a run, its physics and its first state."""
    physics = bind(model)
    placed = _placed(model.structure, inputs)
    dt = dt.astype(physics.v0.dtype)
    first = initial(physics, placed, dt) if state is None else _restarted(state, placed, dt)
    return lambda now: advance(physics, model.structure.forest, placed, method, now), physics, first


@partial(jax.jit, static_argnames="method")
def _last_good(
    model: Model, inputs: tuple[Input, ...], state: State | None, dt: Array, n: int, *, method: Method
) -> tuple[State, State]:
    """Run up to the first step that is not finite; return the states before and after it."""
    step, _, first = _start(model, inputs, state, dt, method)
    before, after = jax.lax.while_loop(
        lambda pair: jnp.isfinite(pair[1].v).all() & (pair[1].n - first.n < n),
        lambda pair: (pair[1], step(pair[1])),
        (first, step(first)),
    )
    return before, after


def _restarted(state: State, placed: Sequence[Placed], dt: Array) -> State:
    """Return the state with its clock in steps of `dt`, the same bits as an unbroken run when dt has not changed.

    Inputs that are not those of the run before begin anew.
    """
    fresh = start_inputs(placed, state.v.dtype)
    if jax.tree.map(jnp.shape, fresh) == jax.tree.map(jnp.shape, state.inputs):
        fresh = state.inputs
    same = state.dt == dt
    origin = jnp.where(same, state.origin, state.t)
    return dataclasses.replace(state, inputs=fresh, origin=origin, n=jnp.where(same, state.n, 0), dt=dt)


def simulate(
    model: Model,
    t1: float,
    dt: float = 0.025,
    inputs: Iterable[Input] = (),
    record: Mapping[str, Any] | None = None,
    method: Method = Staggered(),
    adjoint: Adjoint = Checkpointed(),
    state: State | None = None,
    throw: bool = True,
) -> Solution:
    """Run `model` for `t1` ms in steps of `dt` ms and return a `Solution`.

    `inputs`: clamps and currents, their times counted from t = 0 of the first run. `record`: name → place or `Probe`
    (default: "v" at every soma). `state`: continue from `sol.state` instead of from rest. `adjoint`: how the reverse
    pass stores the run. With `throw` a NaN raises `NonFiniteError` that says when and where; inside `jit`, `grad` or
    `vmap` nothing can be raised, so look at `sol.finite`.

    Works under `jax.jit`, `grad`, `jvp`, `vmap`; a changed parameter value or amplitude never recompiles.
    Raises `ProtocolError`, `UnknownNameError`, `ParameterError` for runs that make no sense.
    """
    require_model(model, "simulate")
    t1, dt = units.value(t1, "ms", "t1"), units.value(dt, "ms", "dt")
    n = _number_of_steps(t1, dt)
    _check_choices(method, adjoint)
    if isinstance(inputs, Input) or inputs is None:
        raise ProtocolError(f"inputs must be a list such as [IClamp(…)], not {type(inputs).__name__}")
    inputs = tuple(inputs)
    for source in inputs:
        if not isinstance(source, Input):
            raise ProtocolError(f"inputs must be clamps such as IClamp(…), not {type(source).__name__}")
        source.check(float(t1) + (0.0 if state is None or _is_traced(state) else float(np.max(state.t))))
    recordings = _recordings(model.structure, record)
    leaves, tree = jax.tree.flatten(model)
    leaves = tuple(jax.ShapeDtypeStruct(np.shape(x), x.dtype) for x in leaves)
    first, samples = _shapes(leaves, tree, recordings, method)
    _check_state(state, first)
    _check_delays(model, dt)
    batch = _batch((model, inputs, state))
    levels = adjoint.levels(n, batch * _bytes(first), batch * (n + 1) * _bytes(samples))
    run = partial(_run, model, inputs, record=recordings, method=method, levels=levels)
    solution = run(state, jnp.asarray(dt, dtype=float), n=n)
    if throw and not _is_traced(model, inputs, state, solution.finite) and not bool(solution.finite):
        raise _diagnosis(
            model, *_last_good(model, inputs, state, jnp.asarray(dt, dtype=float), n, method=method)
        )
    return solution


@lru_cache(maxsize=64)
def _shapes(
    leaves: tuple[jax.ShapeDtypeStruct, ...], tree: Any, record: tuple[tuple[str, Any], ...], method: Method
) -> tuple[State, dict[str, Any]]:
    """Return the shapes of a model's state and of one sample of the recordings; tracing takes milliseconds, so kept."""

    def start(model: Model) -> tuple[State, dict[str, Array]]:
        physics = bind(model)
        state = initial(physics, (), jnp.zeros(()))
        return state, observers(model.structure, physics, method, dict(record))(state)

    return jax.eval_shape(start, jax.tree.unflatten(tree, leaves))


def _bytes(shapes: Any) -> int:
    return sum(int(np.prod(x.shape)) * x.dtype.itemsize for x in jax.tree.leaves(shapes))


def _recordings(structure: Structure, record: Mapping[str, Any] | None) -> tuple[tuple[str, Any], ...]:
    """Return the recordings as pairs (name, place); by default the voltage of every soma."""
    if record is None:
        layouts = structure.layouts
        return (
            (("v", soma_of(layouts[0])),)
            if structure.is_cell
            else tuple((x.name, x.name) for x in layouts if not x.virtual)
        )
    if not isinstance(record, Mapping):
        raise ProtocolError(f"record must map names to places, as in record={{'v': 'soma'}}, not {record!r}")
    for name, place in record.items():
        try:
            hash(place)
        except TypeError:
            raise ProtocolError(
                f"cannot record '{name}' at {place!r}: give one place per name, or one such as every_cv('soma')"
            ) from None
    return tuple(record.items())


def _check_choices(method: Any, adjoint: Any) -> None:
    for name, value, kinds, example in (
        ("method", method, Method, "Staggered() or BackwardEuler()"),
        ("adjoint", adjoint, Adjoint, "Checkpointed() or Direct()"),
    ):
        if not isinstance(value, kinds):
            raise ProtocolError(f"{name} must be {example}, not {value!r}")


def _check_state(state: Any, shapes: State) -> None:
    """Raise `ProtocolError` unless `state` is None or a state of this model."""
    if state is None:
        return
    if not isinstance(state, State):
        raise ProtocolError(f"state must be the .state of a Solution, not {type(state).__name__}")
    state = dataclasses.replace(state, inputs=())
    same = jax.tree.structure(state) == jax.tree.structure(shapes)
    if not same or any(
        np.shape(a) != b.shape for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(shapes), strict=True)
    ):
        raise ProtocolError(
            "state belongs to another model: its CVs, gates or signals differ from this one's"
        )


def _check_delays(model: Model, dt: Any) -> None:
    """Raise `ProtocolError` where a delay is known to be shorter than a step: its spikes would come too late."""
    for c in model.structure.connections:
        if c.events is None or _is_traced(delay := model.params[c.events.delay]):
            continue
        least = float(np.min(np.asarray(delay), initial=np.inf))
        if least < float(dt) * (1.0 - 1e-6):
            raise ProtocolError(
                f"'{c.events.delay}' goes down to {least:g} ms, shorter than a step of dt = {float(dt):g} ms; take a"
                " smaller dt or a longer delay"
            )


def _diagnosis(model: Model, before: State, after: State) -> NonFiniteError:
    """Name a parameter that is not finite, or else the CV with the most extreme voltage before the bad step."""
    bad = [path for path, value in model.params.items() if not np.isfinite(np.asarray(value)).all()]
    v = np.asarray(before.v)
    worst = int(np.abs(v - np.median(v)).argmax())
    for name, memory in (*before.events.items(), *after.events.items()):
        if not bad and np.isnan(np.asarray(memory["queue"]["count"])).any():
            return NonFiniteError(
                f"a spike on its way through '{name}' had no room near t = {float(after.t):.6g} ms; connect with a"
                " larger in_flight=… (spikes of one cell on their way at once)"
            )
    where = f", first at {describe(model.structure, worst)} (at {v[worst]:.4g} mV one step before)"
    return NonFiniteError(
        f"the voltage became NaN or infinite at t = {float(after.t):.6g} ms"
        + (f": parameter '{bad[0]}' is not finite" if bad else where)
        + "; check the parameters and amplitudes there, or take a smaller dt"
    )


def describe(structure: Structure, cv: int) -> str:
    """Say in words where the model's CV number `cv` is."""
    for layout in structure.layouts:
        for group in layout.groups:
            inside = cv - group.start
            if 0 <= inside < group.lanes * len(group.cvs.branch):
                c, lane = divmod(inside, group.lanes)
                cell = f"'{layout.name}' cell {group.first_cell + lane}, " if layout.name else ""
                return f"{cell}branch {group.cvs.branch[c]} ({group.cvs.tag[c]}), x = {group.cvs.x[c]:.3g}"
    return f"CV {cv}"
