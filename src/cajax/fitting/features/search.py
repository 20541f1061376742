"""Searching traces for extremes and for levels: rows of samples, blocks of rows, and the largest value of each.

A search is over one stretch [a, b) of samples for every spike. It looks at the row and the block where the stretch
begins, at the largest values of all blocks, and at one block and one row more; no work grows with samples times spikes.
Several searches are done at once, because a compiler takes as long for one as for ten. Indices have no derivatives.
"""

from collections.abc import Sequence
from typing import NamedTuple, final

import jax.numpy as jnp
import numpy as np
from jax import lax

from ...base.types import Array, Float, Int

ROW = 32
"""Samples in a row, and rows in a block."""

_FAR = np.int32(2**30)

Index = Int[Array, "search spike"]


@final
class Table(NamedTuple):
    """Signals to be searched: [signal, row, sample], and the largest values of each row and block.

    `rows` [side, block, row] and `blocks` [side, block] have every signal, and then every signal upside down.
    """

    samples: Array
    rows: Array
    blocks: Array


def table(*signals: Float[Array, "sample"]) -> Table:
    """Return signals, each a multiple of `ROW` squared samples long, as a table to search.

    Searches number them 0, 1, …, and go on with the same signals upside down.
    """
    x = lax.stop_gradient(jnp.stack(signals)).reshape(len(signals), -1, ROW)
    rows = jnp.concatenate([x.max(2), -x.min(2)]).reshape(2 * len(signals), -1, ROW)
    return Table(x, rows, rows.max(2))


def _samples(x: Table, signal: np.ndarray, row: Index) -> tuple[Array, Array]:
    """Return the samples of one row for every search and spike [search, spike, ROW], and their numbers."""
    count = len(x.samples)
    value, at = _part(x.samples, signal % count, row)
    return value * np.where(signal < count, 1, -1).astype(value.dtype)[:, None, None], at


def _part(x: Array, signal: np.ndarray, place: Index) -> tuple[Array, Array]:
    """Return one row of `x` for every search and spike [search, spike, ROW], and the numbers of its entries."""
    place = jnp.clip(place, 0, x.shape[1] - 1)
    numbers = place[..., None] * ROW + jnp.arange(ROW, dtype=np.int32)[None, None]
    return x.at[signal[:, None], place].get(mode="promise_in_bounds"), numbers


def _all(x: Table, signal: np.ndarray) -> tuple[Array, Array]:
    """Return all blocks for every search [search, 1, block], and their numbers."""
    return x.blocks[signal][:, None], jnp.arange(x.blocks.shape[1], dtype=np.int32)[None, None]


def find(x: Table, looks: Sequence[int], level: Array, a: Index, b: Index, back: Sequence[int] = ()) -> Index:
    """Return the first index in every stretch [a, b) where a signal exceeds the level; `b` where there is none.

    `looks` are the numbers of the signals, `level`, `a`, `b` are [search, spike]. The searches whose number is in
    `back` return the last index instead; `a − 1` where there is none.
    """
    signal = np.array(looks)
    way = np.where(np.isin(np.arange(len(looks)), back), -1, 1).astype(np.int32)[:, None]
    start = jnp.where(way > 0, a, b - 1)  # where a search begins
    above = lax.stop_gradient(level)[..., None]

    def nearest(part: tuple[Array, Array], after: Array | None = None) -> Array:
        """The nearest number, in the direction of the search, whose value exceeds the level; far off for none."""
        value, at = part
        at = way[..., None] * at
        hit = value > above
        hit = hit if after is None else hit & (at > (way * after)[..., None])
        return jnp.where(hit, at, _FAR).min(2)

    own = nearest(_samples(x, signal, start // ROW), start - way)
    row = nearest(_part(x.rows, signal, start // ROW**2), start // ROW)
    block = nearest(_all(x, signal), start // ROW**2)
    other = nearest(_part(x.rows, signal, block * way))
    row = jnp.where((row == _FAR) & (block < _FAR), other, row)
    later = nearest(_samples(x, signal, row * way))
    found = way * jnp.where((own == _FAR) & (row < _FAR), later, own)
    return jnp.where(way > 0, jnp.minimum(found, b), jnp.maximum(found, a - 1))


def largest(x: Table, looks: Sequence[int], a: Index, b: Index) -> Float[Array, "search spike"]:
    """Return the largest value of a signal in every stretch [a, b), −∞ where it is empty."""
    signal, last = np.array(looks), b - 1

    def best(part: tuple[Array, Array], low: Array, high: Array) -> Array:
        value, at = part
        return jnp.where((at > low[..., None]) & (at < high[..., None]), value, -np.inf).max(2)

    found = best(_all(x, signal), a // ROW**2, last // ROW**2)
    for end in (a, last):
        found = jnp.maximum(found, best(_samples(x, signal, end // ROW), a - 1, b))
        found = jnp.maximum(found, best(_part(x.rows, signal, end // ROW**2), a // ROW, last // ROW))
    return found


def at_least(level: Array) -> Array:
    """Return what a value must exceed to be at least the level."""
    below = jnp.nextafter(level, jnp.full_like(level, -np.inf))
    return jnp.where(
        level == 0.0, -jnp.finfo(level.dtype).tiny, below
    )  # the next below 0 counts as 0 on processors
