"""`fit`: train the free parameters of a model to reduce a loss, and leave a run folder that says so."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax

from ..base.checks import count, flag, function, path, shown
from ..base.errors import ParameterError
from ..inputs.base import as_key
from . import hosts
from .fitted import recorded
from .free import Free, M, check_kinds
from .history import History
from .loop import Step, optimize

if TYPE_CHECKING:
    import optax


def fit(
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
) -> tuple[M, History]:
    """Train the parameters `free` of `model` for `steps` steps in all; return the trained model and its history.

    - `loss(model[, batch][, key])` returns one number, or with `has_aux` a pair `(number, small pytree)`. It gets a
      `batch` when `batches` is given, and a key that differs per step when `key` is given.
    - `batches(step)` returns the batch (a pytree of arrays) of a step, which must depend on the step alone: a resumed
      run asks for the same batches again. It is called while the device works on the step before.
    - `until(history)` ends the training early once it is true (`reached`, `plateau`); it must follow from the history
      alone, so that a resumed run ends at the same step.
    - `run`: a folder for checkpoints (every `save_every` steps, by default every now and then), the record, the models
      and parameters before and after, and `history.json`: what `cajax report` shows. `resume`: None goes on from a
      checkpoint if there is one, True insists on one, False on there being none. A resumed run gives the same bits.
    - `callback(Step)` is called after every step; training stops when it returns True.
    - `progress`: None shows a bar (on a terminal) or plain lines after two seconds, True at once, False nothing.

    Ctrl-C, or SIGTERM, finishes the step, saves it if there is a `run`, and returns what there is (`history.stopped`);
    a second one raises. Raises `DivergedError` (a `NonFiniteError`) that carries the last good model, `StoreError` for
    a checkpoint of another fit, a folder of another run or one in use by another process, `ParameterError` for
    arguments that make no sense.

    Within `joined` all hosts make the same call: host 0 alone calls back, reports and has a folder; a loss that
    `split_mean` shares out runs on the devices of all.
    """
    _check_kinds(loss, model, free, optimizer)
    _check(steps, batches, save_every, resume, run)
    _check_options(until, callback, progress, key, has_aux)
    fitting = partial(
        optimize, loss, model, free, optimizer, steps, batches=batches, until=until, run=run,
        save_every=save_every, resume=resume, callback=callback, progress=progress, key=key, has_aux=has_aux,
    )  # fmt: skip
    if run is None or (hosts.team() and hosts.follows()):
        return fitting()
    _say_how_to_resume(run)
    return recorded(fitting, Path(run), model, free, steps, key)


def _say_how_to_resume(run: str | Path) -> None:
    if (group := hosts.team()) is not None:
        group.goes_on_with(f"resume with the same call on every host, run='{run}'")


def _check_kinds(loss: Any, model: Any, free: Any, optimizer: Any) -> None:
    check_kinds("fit", loss, model, free)
    import optax

    if not isinstance(optimizer, optax.GradientTransformation):
        raise ParameterError(
            f"fit: optimizer is {shown(optimizer)}; give one of optax, such as optax.adam(1e-2)"
        )


def _check_options(until: Any, callback: Any, progress: Any, key: Any, has_aux: Any) -> None:
    if until is not None:
        function(until, "fit: until", "write for example until=reached(loss=0.1)")
    if callback is not None:
        function(callback, "fit: callback", "write for example callback=lambda step: print(step.loss)")
    if progress is not None:
        flag(progress, "fit: progress")
    if key is not None:
        as_key(key, "fit")
    flag(has_aux, "fit: has_aux")


def _check(steps: Any, batches: Any, save_every: int | None, resume: bool | None, run: Any) -> None:
    count(steps, "fit: steps", least=0)
    if batches is not None:
        function(batches, "fit: batches", "write for example batches=lambda step: data[step]")
    if save_every is not None:
        count(save_every, "fit: save_every")
    if resume is not None:
        flag(resume, "fit: resume")
    if run is not None:
        path(run, "fit: run")
    if run is None and resume:
        raise ParameterError("fit: resume=True needs the folder of the run; pass run=<folder>")
