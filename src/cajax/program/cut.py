"""The minimum cut of a network, by the maximum flow through it."""

from collections import deque
from collections.abc import Mapping
from typing import final


@final
class Network:
    """Directed edges with whole capacities between numbered nodes."""

    def __init__(self, count: int):
        self._edges: list[list[int]] = [[] for _ in range(count)]
        self._to: list[int] = []
        self._room: list[int] = []

    @staticmethod
    def of(count: int, capacities: Mapping[tuple[int, int], int]) -> "Network":
        """Return the network with these capacities by (from, to)."""
        network = Network(count)
        for (a, b), room in capacities.items():
            network.join(a, b, room)
        return network

    def join(self, a: int, b: int, room: int) -> None:
        """Add an edge."""
        for start, end, left in ((a, b, room), (b, a, 0)):
            self._edges[start].append(len(self._to))
            self._to.append(end)
            self._room.append(left)

    def side(self, source: int, sink: int) -> set[int]:
        """Return the nodes on the source's side of a minimum cut: the smallest such set.

        Source: Dinic (1970), Soviet Math Doklady 11:1277.
        """
        while (depth := self._depths(source))[sink] >= 0:
            self._block(source, sink, depth)
        return {k for k, d in enumerate(depth) if d >= 0}

    def _depths(self, source: int) -> list[int]:
        depth = [-1] * len(self._edges)
        depth[source] = 0
        queue = deque([source])
        while queue:
            at = queue.popleft()
            for e in self._edges[at]:
                if self._room[e] and depth[self._to[e]] < 0:
                    depth[self._to[e]] = depth[at] + 1
                    queue.append(self._to[e])
        return depth

    def _block(self, source: int, sink: int, depth: list[int]) -> None:
        """Send flow along paths of the fewest edges until none is left."""
        next_edge = [0] * len(self._edges)
        path: list[int] = []
        at = source
        while True:
            if at == sink:
                flow = min(self._room[e] for e in path)
                for e in path:
                    self._room[e] -= flow
                    self._room[e ^ 1] += flow
                first = next(i for i, e in enumerate(path) if not self._room[e])
                del path[first:]
                at = self._to[path[-1]] if path else source
                continue
            edges = self._edges[at]
            while next_edge[at] < len(edges):
                e = edges[next_edge[at]]
                if self._room[e] and depth[self._to[e]] == depth[at] + 1:
                    break
                next_edge[at] += 1
            if next_edge[at] < len(edges):
                path.append(edges[next_edge[at]])
                at = self._to[path[-1]]
                continue
            if not path:
                return
            back = path.pop()
            at = self._to[back ^ 1]
            next_edge[at] += 1
