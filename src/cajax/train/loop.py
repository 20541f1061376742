"""The training loop: progress, history, checkpoints, exact resume and a soft Ctrl-C."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
import numpy as np

from ..base.digest import data_hash
from ..base.errors import NonFiniteError, StoreError
from . import hosts
from .checkpoints import Checkpoints, State
from .free import Free, M, Theta, Trainable
from .history import History
from .interrupt import Interrupt
from .progress import Reporter
from .update import Compiled, Report, make_update, own

if TYPE_CHECKING:
    import optax

SAVE_SECONDS = 10.0
"""Least time between checkpoints, unless `save_every` says otherwise."""
SAVE_SHARE = 50.0
"""A checkpoint that holds up the loop for s seconds is followed by at least this many times s without one."""


@final
@dataclass(frozen=True)
class Step:
    """What a callback sees after a step: its number, its loss (before the update), the updated parameters.

    `seconds` is the wall time of all steps so far, those before a resume included.
    """

    number: int
    loss: float
    grad_norm: float
    aux: Any
    seconds: float
    theta: Theta
    _start: Trainable
    _free: Free

    @property
    def model(self) -> Any:
        """The model with the updated parameters, built on demand."""
        return self._free.apply(self._start, self.theta)


@final
class DivergedError(NonFiniteError):
    """A loss or gradient that is not finite, with the last good `model` and the `history` up to it."""

    def __init__(self, text: str, model: Any, history: History) -> None:
        super().__init__(text)
        self.model = model
        self.history = history


def optimize(
    loss: Callable[..., Any],
    model: M,
    free: Free,
    optimizer: "optax.GradientTransformation",
    steps: int,
    *,
    batches: Callable[[int], Any] | None = None,
    until: Callable[[History], Any] | None = None,
    run: str | Path | None = None,
    save_every: int | None = None,
    resume: bool | None = None,
    callback: Callable[[Step], Any] | None = None,
    progress: bool | None = None,
    key: jax.Array | None = None,
    has_aux: bool = False,
    begun: Callable[[bool], Any] | None = None,
) -> tuple[M, History]:
    """Do what `fit` does, but leave nothing but checkpoints and `history.json` in the folder `run`.

    For trainers that keep records of their own. `begun(resumed)` is called once the folder is open. Of several hosts
    only host 0 has a folder, calls back and reports.
    """
    if hosts.team() and hosts.follows():
        run, callback, begun, progress = None, callback and _ignored, None, False
    theta = free.init(model)
    state, history = own(State(theta, optimizer.init(theta))), History()
    with ExitStack() as stack:
        store = Checkpoints(run) if run is not None else None
        if store:
            stack.callback(store.close)
            state, history = _resumed(store, state, history, resume)
        state, history = _agreed(state, history, model, free, steps)
        if begun:
            begun(history.steps > 0)
        compiled = Compiled(make_update(loss, free, optimizer, has_aux), donate=callback is None)
        keys = () if key is None else (key,)
        report = stack.enter_context(Reporter(steps, history.steps, progress))
        interrupt = stack.enter_context(Interrupt())
        loop = _Loop(
            model, free, compiled, batches, keys, until, callback, store, save_every, report, interrupt
        )
        state = hosts.here(loop.run(hosts.everywhere(state), history, steps))
        fitted = _settled(free, model, state)
        loop.finish(state, history, steps, fitted)
    return fitted, history


@final
@dataclass
class _Loop:
    """The loop of `fit`: what stays the same from step to step."""

    model: Any
    free: Free
    update: Compiled
    batches: Callable[[int], Any] | None
    key: tuple[jax.Array, ...]
    until: Callable[[History], Any] | None
    callback: Callable[[Step], Any] | None
    store: Checkpoints | None
    save_every: int | None
    report: Reporter
    interrupt: Interrupt
    saved: float = field(default_factory=time.perf_counter)
    fault: str = ""

    def run(self, state: State, history: History, steps: int) -> State:
        """Make the steps that are left; the reason for the end is in `history.stopped`."""
        if self.enough(history):  # a run that had ended is taken up again
            return state
        history.stopped = "running"
        batch = self.batch(history.steps, steps)
        _require_same_batch(batch)
        model, key = hosts.everywhere((self.model, self.key))
        begin = time.perf_counter()
        for step in range(history.steps, steps):
            with _explained():
                state, out = self.update(state, model, hosts.everywhere(batch), key, step)
                batch = self.batch(step + 1, steps)  # while the device works on this step
                out: Report = jax.device_get(out)  # waits for it
            if not out.good:
                history.stopped, self.fault = "diverged", _fault(step, out)
                break
            now = time.perf_counter()
            number, norm = float(out.loss), float(out.grad_norm)
            history.add(
                number, norm, now - begin, out.aux, [path for path, peak in out.peaks.items() if peak == 0]
            )
            begin = now
            self.report.update(step + 1, number)
            asked = self.callback and self.callback(
                Step(
                    step,
                    number,
                    norm,
                    out.aux,
                    sum(history.seconds),
                    hosts.here(state.theta),
                    self.model,
                    self.free,
                )
            )
            self.save_if_due(hosts.here(state), history)
            if self.ended(history, asked is True):
                break
        else:
            history.stopped = "finished"
        return state

    def ended(self, history: History, asked: bool) -> bool:
        """Whether training ends after this step, and if so notes why; host 0 decides for all."""
        group = hosts.team()
        wished = self.interrupt.asked or (group is not None and group.stop_asked)
        if group is not None and wished and not group.leads:
            group.ask_to_stop()

        def reason() -> str:
            if self.done(history):
                return "enough"
            return "interrupted" if wished else "callback" if asked else "running"

        history.stopped = reason() if group is None else group.share(reason)  # pyright: ignore[reportAttributeAccessIssue]
        return history.stopped != "running"

    def enough(self, history: History) -> bool:
        """Whether a run that goes on has nothing left to do; if so, notes it in the history."""
        group = hosts.team()
        done = self.done(history) if group is None else group.share(lambda: self.done(history))
        history.stopped = "enough" if done else history.stopped
        return done

    def done(self, history: History) -> bool:
        """Whether the history says that training is done."""
        return self.until is not None and history.steps > 0 and bool(self.until(history))

    def batch(self, step: int, steps: int) -> tuple[Any, ...]:
        return (self.batches(step),) if self.batches and step < steps else ()

    def save_if_due(self, state: State, history: History) -> None:
        if not self.store:
            return
        if self.save_every is not None:
            due = history.steps % self.save_every == 0
        else:
            due = time.perf_counter() - self.saved > max(SAVE_SECONDS, SAVE_SHARE * self.store.seconds)
        if due:
            self.store.save(state, history)
            self.saved = time.perf_counter()

    def finish(self, state: State, history: History, steps: int, fitted: Any) -> None:
        """Save the end, and say how the run ended where that is not as planned."""
        if self.store:
            self.store.save(state, history)
            history.to_json(self.store.folder.parent / "history.json")
        if history.stopped == "diverged":
            kept = f"kept in {self.store.folder}" if self.store else "in the error's .model"
            raise DivergedError(
                f"{self.fault}; the last good parameters are {kept}; {_CURE}", fitted, history
            )
        if hosts.team() and hosts.follows():
            return  # host 0 has said it
        if history.stopped == "interrupted":
            way = (
                f"make the same call with run='{self.store.folder.parent}' to go on"
                if self.store
                else "the parameters so far are returned; pass run=<folder> to be able to go on later"
            )
            self.report.say(f"interrupted after step {history.steps} of {steps}; {way}")
        elif history.cut and self.report.shown:
            self.report.say(
                f"note: the loss does not depend on {', '.join(history.cut)} (gradient exactly zero)"
            )


_CURE = "lower the learning rate, clip the gradient (optax.clip_by_global_norm) or narrow the bounds"


def _fault(step: int, out: Report) -> str:
    bad = [path for path, peak in out.peaks.items() if not np.isfinite(peak)]
    if bad:
        shown = ", ".join(bad[:5]) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")
        return f"step {step}: loss {float(out.loss):g}, gradient not finite for {shown}"
    if not np.isfinite(out.loss):
        return f"step {step}: loss {float(out.loss):g}, while every gradient is finite"
    return (
        f"step {step}: loss {float(out.loss):g} and its gradient are finite, but the optimizer's step is not"
    )


def _resumed(
    store: Checkpoints, state: State, history: History, resume: bool | None
) -> tuple[State, History]:
    if resume is False and store.latest is not None:
        raise StoreError(
            f"{store.folder} already holds checkpoints; choose another run folder or leave out resume=False"
        )
    if resume or store.latest is not None:
        state, history = store.restore(state)
        state = own(state)
    return state, history


def _agreed(state: State, history: History, model: Any, free: Free, steps: int) -> tuple[State, History]:
    """Return state and history of host 0 where several hosts train; `ParameterError` where they train other things."""
    group = hosts.team()
    if group is None:
        return state, history
    shapes = [f"{jnp.result_type(x)}{list(jnp.shape(x))}" for x in jax.tree.leaves((state, model))]
    free_of = {f"free {glob}": str(bijection) for glob, bijection in free.globs.items()}
    group.agree({"steps": steps, **free_of, "a model and optimizer of shapes": shapes, "model": _hash(model)})
    known = group.share(lambda: history.to_json())
    return hosts.as_led(state), history if group.leads else History.from_json(known)


def _require_same_batch(batch: Any) -> None:
    """Raise `ParameterError` unless all hosts have the same first batch: each takes its share of it."""
    group = hosts.team()
    if group is not None and batch:
        group.agree({"batch": _hash(batch)})


def _hash(tree: Any) -> str:
    leaves = jax.tree.leaves(tree)
    return data_hash(*(jax.random.key_data(x) if hosts.is_key(x) else x for x in leaves))


@contextmanager
def _explained() -> Iterator[None]:
    """Let an error inside of JAX say which host was lost, where one was."""
    try:
        yield
    except Exception as error:
        group = hosts.team()
        found = error if group is None else group.fault_of(error)
        if found is error:
            raise
        raise found from error


def _ignored(step: Step) -> None:
    """Stand for a callback, which only host 0 has."""


def _settled(free: Free, model: M, state: State) -> M:
    """Return the trained model on the default device, whatever devices the loss ran on."""
    theta = {path: jnp.asarray(np.asarray(value)) for path, value in state.theta.items()}
    return free.apply(model, theta)
