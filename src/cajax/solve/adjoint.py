"""How the gradient goes back through a run: what is stored of it, what is computed again."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, final

from ..base.checks import number
from ..base.objects import optional
from ..base.types import Array
from .loop import Step, loop, segments, stored
from .memory import free_memory

DEEPEST = 8
"""More levels than this are never nested."""
COPIES = 2
"""A gradient holds a recording and its cotangent."""
_SMALL = 2**26  # bytes that are taken without asking how many are free


class Schedule(ABC):
    """What an adjoint has decided for a run: who runs its loop. Hashable and equal by content, for it is static."""

    @abstractmethod
    def run(self, step: Step, carry: Any, n: int) -> tuple[Any, Any]:
        """Apply `step` n times: carry → (carry, out); return the last carry and the outs stacked [n, …]."""

    @abstractmethod
    def stored(self, n: int) -> int | None:
        """Return how many states the reverse pass of n steps holds at once; None where it stores more than states."""

    @abstractmethod
    def segments(self, n: int) -> tuple[int, ...]:
        """Return how n steps are split: segments at the outermost level, … , steps in an innermost segment."""

    @optional
    def nesting(self) -> int | None:
        """Return how deeply segments are nested, 1 for every state, as `cajax.solve.loop` has it.

        A schedule that says so lets a compiled program run its loop; None where only `run` can.
        """
        return None

    @optional
    def passed(self, state: Any, k: Array) -> Any:
        """Return the state as the k-th step (0, 1, …) of the run takes it, after it was recorded.

        The place to cut gradients, by `jax.lax.stop_gradient`; values must stay as they are.
        """
        return state


class Adjoint(ABC):
    """How a run is differentiated in reverse: plans a `Schedule` from the sizes of the run.

    Subclass it, and `Schedule`, for one of your own, as frozen dataclasses; `cajax.solve.loop` is there to build on.
    """

    @abstractmethod
    def plan(self, n: int, state_bytes: int, record_bytes: int = 0) -> Schedule:
        """Return the schedule of `n` steps.

        `state_bytes`: one state, `record_bytes`: all recordings over all steps; of the whole batch.
        """

    @optional
    def budget(self) -> float | None:
        """Return the bytes that a gradient may take, None without a limit."""
        return None


@final
@dataclass(frozen=True)
class Nested(Schedule):
    """Segments nested `levels` deep, see `Checkpointed`; 0 stores every intermediate, 1 every state."""

    levels: int

    def run(self, step: Step, carry: Any, n: int) -> tuple[Any, Any]:
        return loop(step, carry, n, self.levels)

    def nesting(self) -> int:
        return max(1, self.levels)

    def stored(self, n: int) -> int | None:
        return stored(n, self.levels) if self.levels else None

    def segments(self, n: int) -> tuple[int, ...]:
        return segments(n, self.levels)


@final
@dataclass(frozen=True)
class Direct(Adjoint):
    """Let JAX store what it wants: quickest to compile, but memory grows with every intermediate of every step."""

    def plan(self, n: int, state_bytes: int, record_bytes: int = 0) -> Nested:
        return Nested(0)


@final
@dataclass(frozen=True)
class Checkpointed(Adjoint):
    """Store states only, within a budget of `memory` bytes (default: a quarter of what is free), and recompute steps.

    When n states do not fit, the run is split into segments whose inner states are recomputed from their first one;
    each further level of nesting costs one more forward pass and divides the exponent of the memory:
    k levels need about k · n^(1/k) states (Griewank & Walther 2000). Recordings and their cotangents are in the
    budget too, but cannot be stored more thinly: nesting stops where the states are small beside them.
    """

    memory: float | None = None

    def __post_init__(self) -> None:
        if self.memory is not None:
            memory = number(self.memory, "1", "Checkpointed memory (bytes)", above=0.0)
            object.__setattr__(self, "memory", memory)

    def plan(self, n: int, state_bytes: int, record_bytes: int = 0) -> Nested:
        return Nested(self.levels(n, state_bytes, record_bytes))

    def levels(self, n: int, state_bytes: int, record_bytes: int = 0) -> int:
        """Return how deeply `n` steps are nested so that the gradient fits the budget.

        `state_bytes`: one state, `record_bytes`: all recordings over all steps; of the whole batch.
        """
        recordings = COPIES * record_bytes
        if self.memory is None and n * state_bytes + recordings <= _SMALL:
            return 1
        room = max(self.budget() - recordings, recordings / 4)
        choices = range(1, DEEPEST + 1)
        fitting = (k for k in choices if stored(n, k) * state_bytes <= room)
        return next(fitting, None) or min(choices, key=lambda k: stored(n, k))

    def budget(self) -> float:
        """Return the bytes that a gradient may take: `memory`, or a quarter of what is free now."""
        return free_memory() / 4 if self.memory is None else self.memory
