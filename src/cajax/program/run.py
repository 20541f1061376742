"""Running a loop by the executor that is asked for, or the best one that can: a compiled program, else JAX's scan."""

from collections.abc import Callable
from typing import Any

import jax

from ..solve import Schedule
from ..solve.loop import lengths
from . import batches as batches
from . import derivatives as derivatives
from . import lowerings as lowerings
from .executor import chosen_backend, missing, said_missing, unsupported
from .loop import made
from .nodes import UnsupportedError
from .primitive import run

Step = Callable[[Any], tuple[Any, Any]]


def runner(schedule: Schedule, backend: str) -> Callable[[Step, Any, int], tuple[Any, Any]]:
    """Return what takes a step (carry → carry, out) a number of times, as `Schedule.run` does."""

    def loop(step: Step, carry: Any, n: int) -> tuple[Any, Any]:
        found = compiled_run(schedule, step, carry, n) if why_not(schedule, backend) is None else None
        return schedule.run(step, carry, n) if found is None else found

    return loop


def why_not(schedule: Schedule, backend: str) -> str | None:
    """Return why a run takes JAX's scan whatever its model is, None where it may be compiled."""
    if chosen_backend(backend) == "xla":
        return "the backend 'xla' was asked for"
    if jax.default_backend() != "cpu":
        return f"JAX computes on a {jax.default_backend()}"
    if schedule.nesting() is None:
        return f"{type(schedule).__name__} runs the loop itself"
    if (why := missing()) is not None:
        said_missing()
        return why
    return None


def compiled_run(schedule: Schedule, step: Step, carry: Any, n: int) -> tuple[Any, Any] | None:
    """Run a loop as a compiled program; None where it cannot be compiled."""
    levels = schedule.nesting() or 1
    try:
        loop, operands, results = made(step, carry, n, levels, lengths(n, levels))
    except UnsupportedError:
        return None
    if unsupported(loop) is not None:
        return None
    return results(run(loop, operands))
