"""Running a loop by the executor that is asked for, or the best one that can: a compiled program, else JAX's scan."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import jax
import numpy as np

from ..solve import Schedule
from ..solve.backend import chosen_backend as chosen_backend_of_solves
from ..solve.loop import lengths
from . import batches as batches
from . import derivatives as derivatives
from . import lowerings as lowerings
from .executor import chosen_backend, missing, said_missing, unsupported
from .loop import made
from .nodes import UnsupportedError
from .primitive import run

Step = Callable[[Any], tuple[Any, Any]]


@final
@dataclass
class Chosen:
    """Who ran the loops of a program while it was traced: "native", or "xla" and why."""

    executor: str = "xla"
    why: str = ""


def runner(
    schedule: Schedule, backend: str, chosen: Chosen | None = None
) -> Callable[[Step, Any, int], tuple[Any, Any]]:
    """Return what takes a step (carry → carry, out) a number of times, as `Schedule.run` does.

    `chosen` is told who did.
    """
    chosen = chosen or Chosen()

    def loop(step: Step, carry: Any, n: int) -> tuple[Any, Any]:
        why = why_not(schedule, backend)
        found = compiled_run(schedule, step, carry, n) if why is None else why
        if isinstance(found, str):
            chosen.executor, chosen.why = "xla", found
            return schedule.run(step, carry, n)
        chosen.executor, chosen.why = "native", ""
        return found

    return loop


def why_not(schedule: Schedule, backend: str) -> str | None:
    """Return why a run takes JAX's scan whatever its model is, None where it may be compiled."""
    if chosen_backend(backend) == "xla":
        return "the backend 'xla' was asked for"
    if jax.default_backend() != "cpu":
        return f"JAX computes on a {jax.default_backend()}"
    if chosen_backend_of_solves(None, np.dtype(float)) == "jax":
        return "native code is off (CAJAX_SOLVE=jax) or was not built"
    if schedule.nesting() is None:
        return f"{type(schedule).__name__} runs the loop itself"
    if (why := missing()) is not None:
        said_missing()
        return why
    return None


def compiled_run(schedule: Schedule, step: Step, carry: Any, n: int) -> tuple[Any, Any] | str:
    """Run a loop as a compiled program; return why it cannot be compiled where it cannot."""
    levels = schedule.nesting() or 1
    try:
        loop, operands, results = made(step, carry, n, levels, lengths(n, levels))
    except UnsupportedError as error:
        return str(error)
    if (why := unsupported(loop)) is not None:
        return why
    return results(run(loop, operands))
