"""`plan`: what a long run and its gradient will take in memory and time, said before it is started."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
import numpy as np

from .base.checks import count, flag, number
from .base.show import text_of
from .engine.method import Method, Staggered
from .engine.solution import Solution
from .inputs.base import Input
from .model.model import Model, require_model
from .program.compiled import most_held
from .program.executor import chosen_backend
from .simulate import as_inputs, executor, simulate
from .solve import Adjoint, Checkpointed, Schedule
from .solve.adjoint import COPIES
from .solve.memory import free_memory

if TYPE_CHECKING:
    from rich.table import Table

_NUMBERS = 1_000_000  # numbers of the state that one timed run steps through, about
_SHORTEST, _LONGEST = 16, 1000  # steps of a timed run


@final
@dataclass(frozen=True)
class Plan:
    """What `steps` steps of `dt` ms, and their gradient, will take; `print` it, or give it to Rich.

    `executor`: "native", a program compiled for the model, or "xla", JAX's scan, and `why_xla`.
    Bytes: `state_bytes` of one state of one run; of the whole batch, `states_bytes` of the `stored` states (of a timed
    native run also of what it stores beside them, because it is dear to compute again), `record_bytes` of all
    recordings (a gradient holds them twice), `work_bytes` of what one step back needs. `segments` are those of `levels`
    nested levels, outermost first; where all that a step computes is stored, levels is 0 and `stored` None. `budget` is
    the adjoint's (None: it has none), `free_bytes` what the device had left. Seconds and `work_bytes` are estimates
    from a timed run of a few steps, None without one.
    """

    cvs: int
    dtype: str
    t1: float
    dt: float
    steps: int
    batch: int
    levels: int
    segments: tuple[int, ...]
    stored: int | None
    state_bytes: int
    states_bytes: int | None
    record_bytes: int
    budget: float | None
    free_bytes: int
    work_bytes: int | None = None
    forward_seconds: float | None = None
    gradient_seconds: float | None = None
    compile_seconds: float | None = None
    executor: str = "xla"
    why_xla: str = ""

    @property
    def gradient_bytes(self) -> int | None:
        """What a gradient takes at its peak, beside the program itself; None where only a timed run could tell."""
        if self.states_bytes is None:
            return None
        return self.states_bytes + COPIES * self.record_bytes + (self.work_bytes or 0)

    @property
    def fits(self) -> bool | None:
        """Whether the gradient fits into the memory that was free; None where that is not known."""
        return None if self.gradient_bytes is None else self.gradient_bytes <= self.free_bytes

    def __rich__(self) -> "Table":
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD)
        table.add_column("quantity")
        table.add_column("estimate", justify="right")
        table.add_column("note", overflow="fold")
        for row in self._rows():
            table.add_row(*(Text(cell) for cell in row))
        return table

    def __str__(self) -> str:
        return text_of(self, 200)

    def _rows(self) -> list[tuple[str, str, str]]:
        runs = f", {self.batch} runs at once" if self.batch > 1 else ""
        short = "; does not fit" if self.fits is False else ""
        limit = "" if self.budget is None else f"budget {_bytes(self.budget)}, "
        first = (
            f"; the first time {_time(self.compile_seconds)} more to compile" if self.compile_seconds else ""
        )
        return [
            ("one state", _bytes(self.state_bytes), f"{self.cvs} CVs in {self.dtype}{runs}"),
            ("steps", f"{self.steps:,}".replace(",", " "), f"{self.t1:g} ms in steps of {self.dt:g} ms"),
            ("states", _bytes(self.states_bytes), self._layout()),
            ("recordings", _bytes(COPIES * self.record_bytes), "with their cotangents"),
            ("work", _bytes(self.work_bytes), "one step back"),
            ("memory", _bytes(self.gradient_bytes), f"{limit}free {_bytes(self.free_bytes)}{short}"),
            ("executor", self.executor, self.why_xla or "a program compiled for this model"),
            ("forward run", _time(self.forward_seconds), "keeps the recordings only"),
            ("gradient", _time(self.gradient_seconds), f"forward and back{first}"),
        ]

    def _layout(self) -> str:
        if self.stored is None:
            return "everything that every step computes is stored"
        if len(self.segments) == 1:
            return "all are stored"
        return f"{self.stored} are stored: {' × '.join(map(str, self.segments))} steps in nested segments"


def plan(
    model: Model,
    t1: float,
    dt: float = 0.025,
    batch: int = 1,
    inputs: Iterable[Input] = (),
    record: Mapping[str, Any] | None = None,
    method: Method = Staggered(),
    adjoint: Adjoint = Checkpointed(),
    calibrate: bool = True,
    backend: str = "auto",
    threads: int | None = None,
) -> Plan:
    """Say what `simulate` with these arguments, and its gradient, will take: memory and time.

    `batch`: how many runs a `jax.vmap` makes at once. With `calibrate` a run of at most a thousand steps and its
    gradient for all parameters are compiled and timed, which takes seconds; without it the times are None. What a loss
    keeps beside recordings comes in addition. Raises what `simulate` raises, and `ParameterError` for a wrong batch.
    """
    batch, calibrate = count(batch, "plan: batch"), flag(calibrate, "plan: calibrate")
    require_model(model, "plan")
    inputs = as_inputs(inputs)
    common = {"record": record, "method": method, "backend": backend, "threads": threads}
    run = partial(simulate, adjoint=adjoint, throw=False, **common)
    shapes = jax.eval_shape(lambda m: run(m, t1, dt, inputs), model)
    n = len(shapes.ts) - 1
    state_bytes, record_bytes = _size(shapes.state), batch * _size(shapes.records)
    schedule = adjoint.plan(n, batch * state_bytes, record_bytes)
    stored = schedule.stored(n)
    chosen = executor(model, inputs, dt, record, method, n, schedule, chosen_backend(backend, threads))
    found = Plan(
        cvs=model.structure.size,
        dtype=str(shapes.state.v.dtype),
        t1=number(t1, "ms", "t1"),
        dt=number(dt, "ms", "dt"),
        steps=n,
        batch=batch,
        levels=0 if stored is None else len(schedule.segments(n)),
        segments=schedule.segments(n),
        stored=stored,
        state_bytes=state_bytes,
        states_bytes=None if stored is None else batch * state_bytes * stored,
        record_bytes=record_bytes,
        budget=adjoint.budget(),
        free_bytes=free_memory(),
        executor=chosen.executor,
        why_xla=chosen.why,
    )
    return _timed(found, schedule, model, inputs, run) if calibrate else found


@final
@dataclass(frozen=True)
class _Planned(Adjoint):
    """The schedule that the long run will have."""

    schedule: Schedule

    def plan(self, n: int, state_bytes: int, record_bytes: int = 0) -> Schedule:
        return self.schedule


def _timed(
    found: Plan, schedule: Schedule, model: Model, inputs: tuple[Input, ...], run: Callable[..., Solution]
) -> Plan:
    """Return the plan with its estimates, from a run short enough to be quick and nested as the long one."""
    from rich.console import Console

    numbers = max(1, found.batch * found.state_bytes // np.dtype(found.dtype).itemsize)
    n = min(found.steps, max(_SHORTEST, min(_LONGEST, _NUMBERS // numbers)))
    short = partial(run, t1=n * found.dt, dt=found.dt, adjoint=_Planned(schedule))
    first = short(model, inputs=(), t1=found.dt).state
    lanes = jax.tree.map(
        lambda x: jnp.broadcast_to(x, (found.batch, *x.shape)),
        (first.v, first.parts),
    )

    # The inputs are arguments, lest a clamp that starts after these few steps be refused.
    def loss(params: dict[str, Any], inputs: tuple[Input, ...], lanes: Any) -> jax.Array:
        def one(v: Any, parts: Any) -> jax.Array:
            state = replace(first, v=v, parts=parts)
            sol = short(model.replace(params), inputs=inputs, state=state)
            return jnp.mean(sol.state.v**2) + sum(jnp.mean(x**2) for x in sol.records.values())

        # Without a batch there is no `vmap`, whose kernels are others.
        return (
            jnp.mean(jax.vmap(one)(*lanes)) if found.batch > 1 else one(*jax.tree.map(lambda x: x[0], lanes))
        )

    arguments = (model.params, inputs, lanes)
    with Console(stderr=True).status("plan: compiling and timing a short run"):
        forward, _, _, _ = _measure(loss, arguments)
        gradient, compiling, temporary, held = _measure(jax.grad(loss), arguments)
    scale = found.steps / n
    stored, all_stored = schedule.stored(n), found.stored
    if temporary is not None and stored is None:
        found = replace(found, states_bytes=round(scale * (temporary + held)), work_bytes=0)
    elif temporary is not None and stored and all_stored:
        states = found.batch * found.state_bytes * stored
        work = max(0, round(temporary - (0 if held else states) - COPIES * found.record_bytes / scale))
        found = replace(found, work_bytes=work)
        if held:  # a compiled run also stores what is dear to compute again
            found = replace(found, states_bytes=round(held * all_stored / stored))
    return replace(
        found, forward_seconds=scale * forward, gradient_seconds=scale * gradient, compile_seconds=compiling
    )


def _measure(
    function: Callable[..., Any], arguments: tuple[Any, ...]
) -> tuple[float, float, int | None, int]:
    """Return seconds of a run (the best of some) and of its compilation, and bytes of memory.

    Those are XLA's temporary bytes, if known, and what compiled runs hold beside them.
    """
    begin = time.perf_counter()
    compiled = jax.jit(function).lower(*arguments).compile()
    compiling = time.perf_counter() - begin
    memory = compiled.memory_analysis()
    most_held()
    jax.block_until_ready(compiled(*arguments))
    held = most_held()
    times: list[float] = []
    while len(times) < 2 or (len(times) < 10 and sum(times) < 0.3):
        begin = time.perf_counter()
        jax.block_until_ready(compiled(*arguments))
        times.append(time.perf_counter() - begin)
    return min(times), compiling, None if memory is None else memory.temp_size_in_bytes, held


def _size(tree: Any) -> int:
    return sum(int(np.prod(x.shape)) * x.dtype.itemsize for x in jax.tree.leaves(tree))


def _bytes(size: float | None) -> str:
    if size is None:
        return "unknown"
    named = ["B", "kB", "MB", "GB", "TB"]
    while size >= 999.5 and len(named) > 1:
        size /= 1000.0
        named.pop(0)
    return f"{size:.3g} {named[0]}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "not timed"
    if seconds < 99.5:
        return f"{seconds:.2g} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{seconds / 3600:.2g} h"
