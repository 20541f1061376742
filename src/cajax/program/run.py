"""Running a loop by the executor that is asked for, or the best one that can: a compiled program, else JAX's scan."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import jax
import numpy as np

from ..solve import Schedule
from ..solve.backend import chosen_backend as chosen_backend_of_solves
from ..solve.loop import lengths
from . import batches as batches
from . import derivatives as derivatives
from . import lowerings as lowerings
from .executor import Backend, missing, said_missing, unsupported
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


@final
@dataclass(frozen=True)
class Runner:
    """Takes a step (carry → carry, out) a number of times: a compiled program, or else the schedule.

    `chosen` is told who did.
    """

    schedule: Schedule
    backend: Backend = Backend()
    chosen: Chosen = field(default_factory=Chosen)

    def __call__(self, step: Step, carry: Any, n: int) -> tuple[Any, Any]:
        """Return the last carry and the outs stacked [n, …], as `Schedule.run` does."""
        found = self._tried(step, carry, n, None)
        return self.schedule.run(step, carry, n) if found is None else found

    def thinned(self, step: Step, carry: Any, n: int, every: Mapping[str, int]) -> tuple[Any, Any] | None:
        """Return the same with every out, by name, taken only so many steps apart; None where that is not compiled."""
        return self._tried(step, carry, n, every)

    def _tried(
        self, step: Step, carry: Any, n: int, every: Mapping[str, int] | None
    ) -> tuple[Any, Any] | None:
        why = why_not(self.schedule, self.backend)
        found = (
            compiled_run(self.schedule, step, carry, n, every, self.backend.threads) if why is None else why
        )
        if isinstance(found, str):
            self.chosen.executor, self.chosen.why = "xla", found
            return None
        self.chosen.executor, self.chosen.why = "native", ""
        return found


def why_not(schedule: Schedule, backend: Backend) -> str | None:
    """Return why a run takes JAX's scan whatever its model is, None where it may be compiled."""
    if backend.name == "xla":
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


def compiled_run(
    schedule: Schedule, step: Step, carry: Any, n: int, every: Mapping[str, int] | None = None,
    threads: int | None = None,
) -> tuple[Any, Any] | str:  # fmt: skip
    """Run a loop as a compiled program; return why it cannot be compiled where it cannot."""
    levels = schedule.nesting() or 1
    try:
        loop, operands, results = made(step, carry, n, levels, lengths(n, levels), every, threads)
    except UnsupportedError as error:
        return str(error)
    if (why := unsupported(loop)) is not None:
        return why
    return results(run(loop, operands))
