"""Truncated backpropagation: the gradient of the state is cut at intervals, but for chosen entries."""

from dataclasses import dataclass, field
from typing import Any, final

import jax
import jax.numpy as jnp

from ..base.checks import count, of_kind, shown
from ..base.errors import ParameterError, unknown
from ..base.types import Array
from .adjoint import Adjoint, Checkpointed, Schedule
from .loop import Step


@final
@dataclass(frozen=True)
class Truncated(Adjoint):
    """Cut the gradient of the carried state every `steps` steps, except of entries under a name in `keep`.

    With s_k the state before step k, the backward pass takes ∂L/∂s_k = 0 for k = steps, 2·steps, … beyond what
    recordings at k contribute; the run itself keeps every bit. Names are those on the way to an entry of the state: of
    a projection, "pre->post.name", or of one of its states; so `keep` may let slow synapses carry the gradient that
    spikes would blow up. What is stored is up to `inside`, as without a cut. Source: truncated backpropagation through
    time, Williams & Peng, Neural Comput 2:490 (1990), with their h = h′.

    Raises `ParameterError` for `steps` that are no positive whole number; a name in `keep` that the state does not have
    raises `UnknownNameError` when the run starts.
    """

    steps: int
    keep: tuple[str, ...] = ()
    inside: Adjoint = field(default_factory=Checkpointed)

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", count(self.steps, "Truncated steps"))
        of_kind(self.inside, Adjoint, "Truncated inside", "an adjoint such as Checkpointed()")
        if not isinstance(self.keep, tuple | list) or not all(isinstance(name, str) for name in self.keep):
            raise ParameterError(
                f"Truncated(keep={shown(self.keep)}) needs names, as in keep=('pre->post.slow',)"
            )
        object.__setattr__(self, "keep", tuple(self.keep))

    def plan(self, n: int, state_bytes: int, record_bytes: int = 0) -> "Cut":
        return Cut(self.steps, self.keep, self.inside.plan(n, state_bytes, record_bytes))

    def budget(self) -> float | None:
        return self.inside.budget()


@final
@dataclass(frozen=True)
class Cut(Schedule):
    """The schedule of `inside`, with the gradient of the state cut every `steps` steps."""

    steps: int
    keep: tuple[str, ...]
    inside: Schedule

    def run(self, step: Step, carry: Any, n: int) -> tuple[Any, Any]:
        return self.inside.run(step, carry, n)

    def nesting(self) -> int | None:
        return self.inside.nesting()

    def stored(self, n: int) -> int | None:
        return self.inside.stored(n)

    def segments(self, n: int) -> tuple[int, ...]:
        return self.inside.segments(n)

    def passed(self, state: Any, k: Array) -> Any:
        here = (k > 0) & (k % self.steps == 0)
        names = {name for path, _ in jax.tree_util.tree_leaves_with_path(state) for name in _names(path)}
        for name in self.keep:
            if name not in names:
                raise unknown("entry of the state", name, names, "Truncated")

        def cut(path: Any, x: Array) -> Array:
            if not jnp.issubdtype(x.dtype, jnp.inexact) or set(self.keep) & set(_names(path)):
                return x
            return jnp.where(here, jax.lax.stop_gradient(x), x)

        return jax.tree_util.tree_map_with_path(cut, self.inside.passed(state, k))


def _names(path: Any) -> tuple[str, ...]:
    """Return the names on the way to an entry of a pytree."""
    return tuple(jax.tree_util.keystr((key,), simple=True) for key in path)
