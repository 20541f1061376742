"""`simulate`: the one function that runs a model."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .base.batching import batch_size, is_traced
from .base.checks import MOST, flag, number, of_kind, shown, text
from .base.errors import NonFiniteError, ProtocolError, unknown
from .base.limits import affordable
from .base.types import Array, Float
from .engine.electrodes import numbered
from .engine.method import Method, Staggered
from .engine.moment import State
from .engine.physics import Physics, bind
from .engine.solution import Solution
from .engine.step import advance, initial, resumed
from .inputs.base import Electrode, Input, Trigger
from .model.model import Model, require_model
from .model.structure import Structure
from .program.executor import Backend, chosen_backend
from .program.run import Chosen, Runner
from .record.observers import Observers, Recordings
from .record.parse import parse
from .record.quantities import Voltage
from .solve import Adjoint, Checkpointed, Schedule
from .solve.memory import all_memory


def _number_of_steps(t1: float, dt: float) -> int:
    ratio = t1 / dt
    cure = "take a larger dt, or a shorter t1 and go on from .state"
    affordable(f"t1 = {t1:g} ms in steps of dt = {dt:g} ms", ratio, "steps", MOST, cure, ProtocolError)
    n = round(ratio)
    if n < 1:
        raise ProtocolError(
            f"t1 = {t1:g} ms is shorter than half a step of dt = {dt:g} ms; nothing would run"
        )
    return n


def _check_room(n: int, samples: Mapping[str, Any], batch: int, every: Mapping[str, int]) -> None:
    """Raise `ProtocolError` where the recordings are larger than all of the machine's memory."""
    sizes = {name: _bytes(x) * (n // every[name] + 1) for name, x in samples.items()}
    for name in sorted(sizes, key=sizes.__getitem__)[-1:]:
        who = f"recording '{name}' over {n:,} steps"
        cure = "record fewer places, more seldom (every=…), or go on from .state in shorter runs"
        affordable(who, batch * sum(sizes.values()), "bytes", all_memory(), cure, ProtocolError)


def _check_precision(model: Model) -> None:
    """Raise `ProtocolError` for a model in double precision while JAX computes in single precision."""
    if model.area.dtype == jnp.float64 and jnp.result_type(float) != jnp.float64:
        raise ProtocolError(
            "the model is in double precision, which JAX has off: say jax.config.update('jax_enable_x64', True) before"
            " simulate, or discretize (or load) the model again in single precision"
        )


def _check_targets(structure: Structure, inputs: Sequence[Input]) -> None:
    """Raise unless every trigger names a population, and every teacher a plastic projection."""
    for source in inputs:
        if isinstance(source, Electrode):
            continue
        if structure.is_cell:
            raise ProtocolError(
                f"{type(source).__name__} needs a network: add the cell and a SpikeSource() to one and connect them"
            )
        if isinstance(source, Trigger):
            kind, known = "population", [x.name for x in structure.layouts]
        else:
            kind = "plastic projection"
            known = [p.wires.path for p in structure.events if p.plastic is not None]
        if source.at not in known:
            raise unknown(kind, str(source.at), known, type(source).__name__)
        if isinstance(source, Trigger):
            source.check_cells(structure.layout(source.at).size)


@partial(jax.jit, static_argnames=("record", "method", "n", "schedule", "backend"))
def _run(
    model: Model,
    inputs: tuple[Input, ...],
    state: State | None,
    dt: Float[Array, ""],
    *,
    record: Recordings,
    method: Method,
    n: int,
    schedule: Schedule,
    backend: Backend,
) -> Solution:
    first, last, records, observers = _stepped(
        model, inputs, state, dt, record, method, n, schedule, Runner(schedule, backend)
    )
    ts = first.origin + (first.n + jnp.arange(n + 1)) * dt
    thinned = tuple((name, x.every) for name, x in record if x.every > 1)
    # A voltage that is not finite never comes back: its cell's system is not finite from then on.
    return Solution(ts, observers.finished(records, ts), last, jnp.isfinite(last.v).all(), thinned)


def _stepped(
    model: Model, inputs: tuple[Input, ...], state: State | None, dt: Float[Array, ""], record: Recordings,
    method: Method, n: int, schedule: Schedule, loop: Runner,
) -> tuple[State, State, dict[str, Any], Observers]:  # fmt: skip
    """Return the first and the last state of a run, its samples, and who took them."""
    metered = any(x.metered for _, x in record)
    step, physics, first = _start(model, inputs, state, dt, method, metered)
    # Without the barrier XLA folds the constant start into the loop and rounds otherwise than in a continued run.
    first = jax.lax.optimization_barrier(first)
    observers = Observers(model.structure, physics, method, record)
    last, records = observers.along(
        lambda now: step(schedule.passed(now, now.n - first.n)), first, n, loop, loop.thinned
    )
    return first, last, records, observers


def executor(
    model: Model, inputs: tuple[Input, ...], dt: float, record: Mapping[str, Any] | None, method: Method, n: int,
    schedule: Schedule, backend: Backend,
) -> Chosen:  # fmt: skip
    """Return who would run the loop of such a run, and why not the native machine."""
    chosen = Chosen()
    loop = Runner(schedule, backend, chosen)
    recordings = _recordings(model.structure, record)

    def run(model: Model, inputs: tuple[Input, ...]) -> State:
        step = jnp.asarray(dt, dtype=float)
        return _stepped(model, inputs, None, step, recordings, method, n, schedule, loop)[1]

    jax.eval_shape(run, model, inputs)
    return chosen


def _start(
    model: Model,
    inputs: tuple[Input, ...],
    state: State | None,
    dt: Float[Array, ""],
    method: Method,
    metered: bool = False,
) -> tuple[Callable[[State], State], Physics, State]:
    """Return the step of a run, its physics and its first state."""
    physics = bind(model, inputs, metered)
    dt = dt.astype(physics.v0.dtype)
    first = initial(physics, method, dt) if state is None else resumed(physics, method, state, dt)
    return partial(advance, physics, method), physics, first


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


def simulate(
    model: Model,
    t1: float,
    dt: float = 0.025,
    inputs: Iterable[Input] = (),
    record: Mapping[str, Any] | None = None,
    method: Method = Staggered(),
    adjoint: Adjoint = Checkpointed(),
    state: State | None = None,
    continued: bool = False,
    throw: bool = True,
    backend: str = "auto",
    threads: int | None = None,
) -> Solution:
    """Run `model` for `t1` ms in steps of `dt` ms and return a `Solution`.

    `inputs`: clamps and currents, their times counted from the start of the run. `record`: name → place, text such as
    "soma.na.m" or "soma.spikes", or a `cajax.record.Recordable` (default: "v" at every soma). `state`: begin with
    `sol.state` of another run instead of at rest; with `continued` go on with that run, with its clock and what its
    inputs remember: given the same inputs, both are the unbroken run. `adjoint`: how the reverse pass stores the run.
    `backend`: "native" is a program compiled for this model, "xla" JAX's scan, "auto" the former where it can be.
    `threads`: how many take a compiled run (default: `CAJAX_THREADS`, else all cores). With `throw` a NaN raises
    `NonFiniteError` that says when and where; inside `jit`, `grad`, `vmap` nothing can be raised: see `sol.finite`.

    Works under `jax.jit`, `grad`, `jvp`, `vmap`; a changed parameter value or amplitude never recompiles.
    Raises `ProtocolError`, `UnknownNameError`, `ParameterError` for runs that make no sense.
    """
    require_model(model, "simulate")
    _check_precision(model)
    t1, dt = (number(x, "ms", k, above=0.0, kind=ProtocolError) for k, x in (("t1", t1), ("dt", dt)))
    n = _number_of_steps(t1, dt)
    chosen = _check_choices(method, adjoint, state, throw, backend, threads)
    inputs = as_inputs(inputs)
    recordings = _recordings(model.structure, record)
    _check_targets(model.structure, inputs)
    first, samples = _shapes(*_outlines(model), recordings, method)
    _check_state(state, first, continued)
    _check_times(inputs, float(t1), state if continued else None)
    state = state if state is None or continued else state.begun()
    _check_delays(model, dt)
    batch = batch_size(model, inputs, state)
    _check_room(n, samples, batch, {name: x.every for name, x in recordings})
    schedule = adjoint.plan(n, batch * _bytes(first), batch * (n + 1) * _bytes(samples))
    run = partial(_run, record=recordings, method=method, schedule=schedule, backend=chosen)
    solution = run(model, inputs, state, jnp.asarray(dt, dtype=float), n=n)
    if throw and not is_traced(model, inputs, state, solution.finite) and not bool(solution.finite):
        raise _diagnosis(
            model, *_last_good(model, inputs, state, jnp.asarray(dt, dtype=float), n, method=method)
        )
    return solution


def _outlines(model: Model) -> tuple[tuple[jax.ShapeDtypeStruct, ...], Any]:
    """Return the shapes of a model's arrays, and its tree."""
    leaves, tree = jax.tree.flatten(model)
    return tuple(jax.ShapeDtypeStruct(np.shape(x), x.dtype) for x in leaves), tree


@lru_cache(maxsize=64)
def _shapes(
    leaves: tuple[jax.ShapeDtypeStruct, ...], tree: Any, record: Recordings, method: Method
) -> tuple[State, dict[str, Any]]:
    """Return the shapes of a model's state and of one sample of the recordings; tracing takes milliseconds, so kept."""

    def start(model: Model) -> tuple[State, dict[str, Any]]:
        physics = bind(model, (), any(x.metered for _, x in record))
        state = initial(physics, method, jnp.zeros((), physics.v0.dtype))
        return state, Observers(model.structure, physics, method, record).read(state)

    return jax.eval_shape(start, jax.tree.unflatten(tree, leaves))


def _bytes(shapes: Any) -> int:
    return sum(int(np.prod(x.shape)) * x.dtype.itemsize for x in jax.tree.leaves(shapes))


def _recordings(structure: Structure, record: Mapping[str, Any] | None) -> Recordings:
    """Return the recordings as pairs (name, recordable); by default the voltage of every soma."""
    if record is None:
        layouts = structure.layouts
        if structure.is_cell:
            return (("v", Voltage(layouts[0].soma)),)
        return tuple((x.name, Voltage(x.name)) for x in layouts if not x.virtual)
    if not isinstance(record, Mapping):
        raise ProtocolError(
            f"record must map names to places, as in record={{'v': 'soma'}}, not {shown(record)}"
        )
    for name, place in record.items():
        text(name, "the name of a recording", kind=ProtocolError)
        try:
            hash(place)
        except (TypeError, ValueError):
            raise ProtocolError(
                f"cannot record '{name}' at {shown(place)}: give one place per name, or one such as every_cv('soma')"
            ) from None
    return tuple((name, parse(structure, spec)) for name, spec in record.items())


def as_inputs(inputs: Any) -> tuple[Input, ...]:
    """Return the inputs as a tuple; `ProtocolError` for anything that is no list of inputs."""
    if isinstance(inputs, Input | str) or not isinstance(inputs, Iterable):
        raise ProtocolError(f"inputs must be a list such as [IClamp(…)], not {shown(inputs)}")
    inputs = tuple(inputs)
    for source in inputs:
        of_kind(source, Input, "inputs", "clamps such as IClamp(…)", kind=ProtocolError)
    return inputs


def _check_times(inputs: Sequence[Input], t1: float, before: State | None) -> None:
    """Raise `ProtocolError` for an input that cannot act in the run; one that goes on from `before` may have ended."""
    known = () if before is None else before.parts["electrodes"]["memories"]
    start, end = 0.0, t1
    if before is not None:
        if is_traced(before):
            return
        start, end = float(np.min(before.t)), float(np.max(before.t)) + t1
    for name, source in numbered(inputs):
        if name not in known:
            source.check(start, end)


def _check_choices(method: Any, adjoint: Any, state: Any, throw: Any, backend: Any, threads: Any) -> Backend:
    """Return the backend that shall be used."""
    of_kind(method, Method, "method", "Staggered() or BackwardEuler()", kind=ProtocolError)
    of_kind(adjoint, Adjoint, "adjoint", "Checkpointed() or Direct()", kind=ProtocolError)
    flag(throw, "throw", kind=ProtocolError)
    if state is not None:
        of_kind(state, State, "state", "the .state of a Solution", kind=ProtocolError)
    return chosen_backend(backend, threads)


def _check_state(state: State | None, shapes: State, continued: Any) -> None:
    """Raise `ProtocolError` unless `state` is None or a state of this model, whatever its electrodes were."""
    if flag(continued, "continued", kind=ProtocolError) and state is None:
        raise ProtocolError(
            f"continued = {continued!r}: give True together with the state of the run that goes on"
        )
    if state is None:
        return
    given, wanted = ((x.v, {**x.parts, "electrodes": None}, x.origin, x.n, x.dt) for x in (state, shapes))
    pairs = zip(jax.tree.leaves(given), jax.tree.leaves(wanted), strict=False)
    if jax.tree.structure(given) != jax.tree.structure(wanted) or any(
        np.shape(a) != b.shape or a.dtype != b.dtype for a, b in pairs
    ):
        raise ProtocolError(
            "state belongs to another model: its CVs, gates or signals, or their precision, differ from this one's"
        )


def _check_delays(model: Model, dt: Any) -> None:
    """Raise `ProtocolError` where a delay is known to be shorter than a step: its spikes would come too late."""
    for projection in model.structure.events:
        if is_traced(delay := model.params[projection.delay]):
            continue
        least = float(np.min(np.asarray(delay), initial=np.inf))
        if least < float(dt) * (1.0 - 1e-6):
            raise ProtocolError(
                f"'{projection.delay}' goes down to {least:g} ms, shorter than a step of dt = {float(dt):g} ms; take a"
                " smaller dt or a longer delay"
            )


def _diagnosis(model: Model, before: State, after: State) -> NonFiniteError:
    """Name a parameter that is not finite, or else the CV with the most extreme voltage before the bad step."""
    bad = [path for path, value in model.params.items() if not np.isfinite(np.asarray(value)).all()]
    v = np.asarray(before.v)
    worst = int(np.abs(v - np.median(v)).argmax())
    for projection in model.structure.events:
        path = projection.wires.path
        queues = (state.parts[path]["queue"] for state in (before, after))
        if not bad and any(np.isnan(np.asarray(queue["count"])).any() for queue in queues):
            return NonFiniteError(
                f"a spike on its way through '{path}' had no room near t = {float(after.t):.6g} ms; connect with a"
                " larger in_flight=… (spikes of one cell on their way at once)"
            )
    where = f", first at {model.structure.describe(worst)} (at {v[worst]:.4g} mV one step before)"
    return NonFiniteError(
        f"the voltage became NaN or infinite at t = {float(after.t):.6g} ms"
        + (f": parameter '{bad[0]}' is not finite" if bad else where)
        + "; check the parameters and amplitudes there, or take a smaller dt"
    )
