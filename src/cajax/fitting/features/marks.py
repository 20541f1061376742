"""Marked samples as bits of words, where the next marked one, or the n-th, is found in a few operations."""

from collections.abc import Sequence
from typing import NamedTuple, final

import jax.numpy as jnp
import numpy as np
from jax import lax

from ...base.types import Array, Bool, Int

BITS = 32


@final
class Marks(NamedTuple):
    """Samples that are marked, for several kinds of marks: `words` [kind, word] of 32 samples each.

    `groups` [kind, group] are of 32 words each, of which those are marked that hold a mark.
    """

    words: Array
    groups: Array

    @property
    def end(self) -> int:
        """A number past the last sample: what a search returns that finds nothing."""
        return self.words.shape[1] * BITS


def marks(kinds: Bool[Array, "kind sample"]) -> Marks:
    """Return marked samples of several kinds, of which there are a multiple of `BITS` squared, as `Marks`."""
    words = _packed(kinds)
    return Marks(words, _packed(words != 0))


def _packed(bits: Bool[Array, "kind bit"]) -> Array:
    value = np.uint32(1) << np.arange(BITS, dtype=np.uint32)
    return jnp.where(bits.reshape(len(bits), -1, BITS), value[None, None], np.uint32(0)).sum(
        2, dtype=np.uint32
    )


def _lowest(word: Array) -> Array:
    """The number of the lowest bit that is set, 32 for none."""
    return lax.population_count(~word & (word - np.uint32(1))).astype(np.int32)


def following(x: Marks, kinds: Sequence[int], a: Int[Array, "search spike"]) -> Int[Array, "search spike"]:
    """Return the first sample from every `a` on that has a mark of the kind of the search; past the end for none."""
    kind = np.array(kinds)[:, None]
    a = jnp.clip(a, 0, x.end - 1)

    def of(table: Array, index: Array) -> Array:
        return table.at[kind, index].get(mode="promise_in_bounds")

    def since(word: Array, bit: Array) -> Array:
        """The word without its bits before this one."""
        return word & (np.uint32(0xFFFFFFFF) << bit.astype(np.uint32))

    own = since(of(x.words, a // BITS), a % BITS)
    place = a // BITS + 1  # the first word that is later
    group = jnp.minimum(place // BITS, x.groups.shape[1] - 1)
    near = jnp.where(place < x.words.shape[1], since(of(x.groups, group), place % BITS), np.uint32(0))
    numbers = np.arange(x.groups.shape[1], dtype=np.int32)[None, None]
    marked = (x.groups[kind[:, 0]] != 0)[:, None] & (numbers > group[..., None])
    far = jnp.where(marked, numbers, x.groups.shape[1]).min(2)
    last = jnp.minimum(far, x.groups.shape[1] - 1)
    word = jnp.where(near != 0, group * BITS + _lowest(near), last * BITS + _lowest(of(x.groups, last)))
    word = jnp.minimum(word, x.words.shape[1] - 1)
    later = jnp.where((near != 0) | (far <= last), word * BITS + _lowest(of(x.words, word)), x.end)
    return jnp.where(own != 0, a // BITS * BITS + _lowest(own), later)


def ranked(x: Marks, kinds: Sequence[int], most: int) -> tuple[Int[Array, "kind spike"], Int[Array, " kind"]]:
    """Return the first `most` marked samples of some kinds, past the end for fewer, and how many there are in all."""
    kind = np.array(kinds)
    words = x.words[kind]
    total = jnp.cumsum(lax.population_count(words).astype(np.int32), 1, dtype=np.int32)
    rank = np.arange(most, dtype=np.int32)
    place = (total[:, None] <= rank[None, :, None]).sum(2, dtype=np.int32)  # the word that holds the mark
    inside = jnp.minimum(place, x.words.shape[1] - 1)
    word = words.at[np.arange(len(kind))[:, None], inside].get(mode="promise_in_bounds")
    before = total.at[np.arange(len(kind))[:, None], inside].get(mode="promise_in_bounds")
    left = rank[None] - (
        before - lax.population_count(word).astype(np.int32)
    )  # marks in the word before the wanted
    bit = jnp.zeros_like(inside)
    for half in (16, 8, 4, 2, 1):  # go to the half of the word that holds it
        low = lax.population_count((word >> bit.astype(np.uint32)) & np.uint32(2**half - 1)).astype(np.int32)
        bit, left = jnp.where(left >= low, bit + half, bit), jnp.where(left >= low, left - low, left)
    return jnp.where(rank[None] < total[:, -1:], inside * BITS + bit, x.end), total[:, -1]


def counted(x: Marks) -> Int[Array, "kind sample"]:
    """Return how many samples up to each one, itself included, are marked."""
    total = jnp.cumsum(lax.population_count(x.words).astype(np.int32), 1, dtype=np.int32)
    before = total - lax.population_count(x.words).astype(np.int32)
    upto = np.uint32(0xFFFFFFFF) >> np.arange(BITS - 1, -1, -1, dtype=np.uint32)
    inside = lax.population_count(x.words[..., None] & upto[None, None]).astype(np.int32)
    return (before[..., None] + inside).reshape(len(x.words), -1)
