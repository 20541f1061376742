"""Recording along a run: all quantities read in one pass, some of them only every few steps."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, final

import jax
import jax.numpy as jnp

from ..base.errors import ProtocolError
from ..base.types import Array
from ..engine.method import Method
from ..engine.moment import State
from ..engine.physics import Physics
from ..engine.step import present
from ..model.structure import Structure
from .recordable import Bound, Recordable, check_every

Recordings = tuple[tuple[str, Recordable], ...]
Loop = Callable[[Callable[[Any], tuple[Any, Any]], Any, int], tuple[Any, Any]]
"""From a step carry → (carry, sample), a first carry and a number of steps to the last carry and stacked samples."""

Thinned = Callable[
    [Callable[[Any], tuple[Any, Any]], Any, int, Mapping[str, int]], tuple[Any, dict[str, Any]] | None
]
"""A loop whose samples are taken by name so many steps apart; None where it cannot."""


@final
class Observers:
    """The recordings of a run, bound to its physics; those sampled equally often are read together."""

    def __init__(self, structure: Structure, physics: Physics, method: Method, recordings: Recordings):
        self._physics, self._method, self._recordings = physics, method, recordings
        bound = Bound(structure, physics)
        for _, x in recordings:
            check_every(x.every)
        self._readers = {name: x.reader(bound) for name, x in recordings}
        self._every = {name: x.every for name, x in recordings}
        self.levels = _levels(self._every)

    def read(self, state: State, every: int | None = None) -> dict[str, Any]:
        """Return one sample of the recordings that are taken `every` so many steps, by default of all."""
        names = [name for name, k in self._every.items() if every in (None, k)]
        if not names:
            return {}
        moment = present(self._physics, self._method, state)
        return {name: self._readers[name](moment) for name in names}

    def along(
        self, step: Callable[[State], State], first: State, n: int, loop: Loop, thinned: Thinned | None = None
    ) -> tuple[State, dict[str, Any]]:
        """Take `n` steps by `loop`; return the last state, and every recording [time, …].

        Where recordings are taken seldom, `thinned` may take all steps at once. Otherwise the steps between two samples
        of the rarest recording are one step of the outer loop, and so on inwards: what is not sampled is never stored.
        """
        if len(self.levels) > 1 and thinned is not None:
            whole = thinned(lambda state: (step(state), self.read(state)), first, n, self._every)
            if whole is not None:
                return self._completed(*whole, n)
        blocks = [lambda state: (step(state), self.read(state, 1))]
        for inner, outer in pairwise(self.levels):
            blocks.append(self._block(blocks[-1], inner, outer, loop))
        state, records = first, {}
        left = n
        for block, k in zip(reversed(blocks), reversed(self.levels), strict=True):
            count, left = divmod(left, k)
            if count:
                state, samples = loop(block, state, count)
                records = _joined(records, samples if k == 1 else _flattened(samples))
            if left:  # the steps that fill no block begin with a sample
                records = _joined(records, jax.tree.map(lambda x: x[None], self.read(state, k)))
        return self._completed(state, records, n)

    def _completed(self, state: State, records: dict[str, Any], n: int) -> tuple[State, dict[str, Any]]:
        """Return the last state, and the recordings with those that fall on the end."""
        last = {name: x for name, x in self.read(state).items() if n % self._every[name] == 0}
        records = _joined(records, jax.tree.map(lambda x: x[None], last))
        return state, {name: records[name] for name in self._every}

    def finished(self, records: Mapping[str, Any], ts: Array) -> dict[str, Any]:
        """Return what the solution holds of every recording."""
        return {name: x.finished(records[name], ts[:: x.every]) for name, x in self._recordings}

    def _block(self, step: Callable[[State], tuple[State, Any]], inner: int, outer: int, loop: Loop) -> Any:
        """Return a step of `outer` steps made of steps of `inner`, which samples its own level at its start."""

        def block(state: State) -> tuple[State, dict[str, Any]]:
            own = jax.tree.map(lambda x: x[None], self.read(state, outer))
            state, samples = loop(step, state, outer // inner)
            return state, {**(samples if inner == 1 else _flattened(samples)), **own}

        return block


def _flattened(samples: Any) -> Any:
    """Join the axes of blocks and of samples within a block, [block, sample, …]."""
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), samples)


def _joined(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    """Append recordings along time; those that one of the two lacks stay as they are."""

    def both(x: Array, y: Array) -> Array:
        return jnp.concatenate([x, y])

    return {
        name: jax.tree.map(both, a[name], b[name]) if name in a and name in b else a.get(name, b.get(name))
        for name in {**a, **b}
    }


def _levels(every: Mapping[str, int]) -> tuple[int, ...]:
    """Return 1 and the intervals of all recordings, rising; raises where one does not divide the next."""
    levels = sorted({1, *every.values()})
    for a, b in pairwise(levels):
        if b % a:
            names = [name for name, k in every.items() if k in (a, b)]
            raise ProtocolError(
                f"recordings {' and '.join(map(repr, names))} are taken every {a} and every {b} steps; let the one be"
                " a multiple of the other"
            )
    return tuple(levels)
