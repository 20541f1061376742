"""Long kernels in phases, each of which takes a strip of entries before the next one does.

A loop body that is longer than what a processor looks ahead over waits for its own chains of dependent operations;
shorter ones overlap with the next entries.
"""

from collections.abc import Sequence
from heapq import heapify, heappop, heappush

LENGTH = 40
"""Instructions of a phase, about: an exponential has 30. Measured on HH: a fifth less time in double precision."""
MOST = 12
"""Results that a phase may hand to later ones; each is written to memory and read again."""


def in_order(uses: Sequence[Sequence[int]]) -> list[int]:
    """Return an order of steps, each after those whose results it takes, in which few results wait at a time.

    Chosen from the end: before what is placed comes, of the steps whose results are all placed, the one wanted latest;
    first those that let no more results be wanted, last those of which no result is.
    """
    takes = [set(taken) for taken in uses]
    users: list[list[int]] = [[] for _ in uses]
    for step, taken in enumerate(takes):
        for k in taken:
            users[k].append(step)
    left, fresh = (
        [len(x) for x in users],
        [len(x) for x in takes],
    )  # users not placed; results nobody wants yet
    since = [k if not n else -1 for k, n in enumerate(left)]
    wanted = [False] * len(uses)
    found: list[int] = []

    def entry(k: int) -> tuple[bool, bool, int, int]:
        more = fresh[k] > wanted[k]
        return more and not wanted[k], more, -since[k], k

    ready = [entry(k) for k, at in enumerate(since) if at >= 0]
    heapify(ready)
    while ready:
        best = heappop(ready)
        step = best[-1]
        if since[step] < 0 or best != entry(step):
            continue
        since[step] = -1
        found.append(step)
        for k in takes[step]:
            left[k] -= 1
            if not wanted[k]:
                wanted[k] = True
                for user in users[k]:
                    fresh[user] -= 1
                    if since[user] >= 0:
                        heappush(ready, entry(user))
            if not left[k]:
                since[k] = len(uses) + len(found)
                heappush(ready, entry(k))
    return found[::-1]


def phases(costs: Sequence[int], uses: Sequence[Sequence[int]]) -> list[range]:
    """Return which steps, in their order, each phase takes.

    `costs` are the instructions of each step, `uses` the earlier steps whose results it takes. Each phase ends, near
    its length, where the fewest results are still wanted; where too many are, it goes on.
    """
    wanted = _wanted(uses)
    found, begin, left = [], 0, sum(costs)
    while left > 1.5 * LENGTH:
        length, best, taken = 0, None, 0
        for end in range(begin + 1, len(costs)):
            length += costs[end - 1]
            if length > 1.25 * LENGTH and best is not None:
                break
            if length >= 0.5 * LENGTH and wanted[end] <= (MOST if best is None else wanted[best]):
                best, taken = end, length
        if best is None:
            break
        found.append(range(begin, best))
        begin, left = best, left - taken
    return [*found, range(begin, len(costs))]


def _wanted(uses: Sequence[Sequence[int]]) -> list[int]:
    """Return how many results of the steps before each one it or later ones take."""
    last = list(range(len(uses)))
    for step, taken in enumerate(uses):
        for k in taken:
            last[k] = step
    change = [0] * (len(uses) + 2)
    for k, end in enumerate(last):
        change[k + 1] += 1
        change[end + 1] -= 1
    total, found = 0, []
    for x in change[:-1]:
        total += x
        found.append(total)
    return found
