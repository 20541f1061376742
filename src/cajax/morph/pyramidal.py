"""A procedural pyramidal cell: every seed another neuron with the statistics of a hippocampal or cortical one."""

from typing import Any, final

import numpy as np

from ..base.checks import count, flag, number
from ..base.errors import MorphologyError
from ..base.limits import affordable
from .morphology import Branch, Morphology
from .readers.contour import sphere

_STEP = 12.0  # µm between the points of a branch
_MEAN = 75.0  # µm, about the length of a branch
_MOST_POINTS = 500_000
_RALL = 1.5  # exponent of Rall's branching rule: parent r^1.5 = sum of the children's r^1.5
_SHARES = {"basal": 0.45, "oblique": 0.25, "tuft": 0.30}  # of the dendritic tips


def pyramidal(seed: int, tips: int = 70, stems: int = 5, scale: float = 1.0, axon: bool = True) -> Morphology:
    """Grow a pyramidal cell: soma, `stems` basal trees, an apical trunk with obliques and a tuft, a stub of an axon.

    `tips` is the number of dendritic tips (at least 4, and at least `stems` + 2); `tips=8, stems=2` makes a small cell
    for networks. `scale` multiplies all dendritic lengths, not the radii. The same arguments give the same cell.
    Dendrites sit on the middle of the soma, as those of files do.

    Typical values at `scale = 1`, after reconstructions of rat CA1 and neocortical layer 5 cells (Bannister & Larkman
    1995, J Comp Neurol 360:150; Larkman 1991, J Comp Neurol 306:307; Megías et al. 2001, Neuroscience 102:527): short
    intermediate and long terminal segments, half of the length or less in the basal trees, obliques
    along the first two thirds of the trunk, a tuft beyond it. Which segments fork is drawn as in a random binary
    tree, so branch orders come out uneven (van Pelt & Verwer 1986, Bull Math Biol 48:197). Radii follow Rall's 3/2
    power law at every fork (Rall 1959, Exp Neurol 1:491) and taper along the branches between them.
    """
    _check(seed, tips, stems, scale, axon)
    rng = np.random.default_rng(seed)
    grower = _Grower(rng, float(scale))
    counts = _split_tips(tips, stems)
    soma_radius = rng.uniform(7.0, 10.0)
    grower.add(sphere(np.array([0.0, 0.0, 0.0, soma_radius])), -1, 1.0, "soma")
    for k, n in enumerate(_shares_of(rng, counts["basal"], stems)):
        azimuth = 2 * np.pi * (k + rng.uniform(-0.3, 0.3)) / stems
        way = _unit(np.array([np.cos(azimuth), rng.uniform(-1.2, -0.3), np.sin(azimuth)]))
        grower.tree(soma_radius * way, way, n, 0, 0.5, "basal", (25.0, 130.0))
    _apical(grower, rng, counts["oblique"], counts["tuft"], np.array([0.0, soma_radius, 0.0]))
    if axon:
        hillock, stub = (np.array([[0.0, -soma_radius - y, 0.0, r] for y, r in part]) for part in _AXON)
        grower.add(hillock, 0, 0.5, "axon")
        grower.add(stub, len(grower.branches) - 1, 1.0, "axon")
    return Morphology.of(grower.branches)


# Depth below the soma and radius, µm: a hillock and an initial segment.
_AXON = ([(0.0, 1.0), (10.0, 0.6)], [(10.0, 0.6), (25.0, 0.5), (50.0, 0.5)])


def _check(seed: Any, tips: Any, stems: Any, scale: Any, axon: Any) -> None:
    for name, x, least in (("seed", seed, 0), ("stems", stems, 1), ("tips", tips, 4)):
        count(x, f"pyramidal: {name}", least=least, kind=MorphologyError)
    if tips < stems + 2:
        raise MorphologyError(
            f"pyramidal: tips = {tips} is too few for {stems} basal stems; give at least {stems + 2}"
        )
    number(scale, "1", "pyramidal: scale", above=0.0, kind=MorphologyError)
    flag(axon, "pyramidal: axon", kind=MorphologyError)
    cure = "ask for fewer tips or a smaller scale"
    affordable("pyramidal(tips)", 2 * int(tips), "branches", _MOST_POINTS, cure, MorphologyError)
    points = 2 * tips * (1 + _MEAN * float(scale) / _STEP)
    affordable("pyramidal(tips, scale)", points, "points", _MOST_POINTS, cure, MorphologyError)


def _split_tips(tips: int, stems: int) -> dict[str, int]:
    """How many tips the basal trees, the obliques and the tuft get; the tuft at least one, the trunk at least two."""
    basal = min(max(round(_SHARES["basal"] * tips), stems), tips - 2)
    oblique = max(round((tips - basal) * _SHARES["oblique"] / (_SHARES["oblique"] + _SHARES["tuft"])), 1)
    oblique = min(oblique, tips - basal - 1)
    return {"basal": basal, "oblique": oblique, "tuft": tips - basal - oblique}


def _shares_of(rng: np.random.Generator, total: int, parts: int) -> list[int]:
    """Cut `total` tips at random into `parts` trees of at least one."""
    return (1 + rng.multinomial(total - parts, np.full(parts, 1 / parts))).tolist()


def _apical(grower: "_Grower", rng: np.random.Generator, obliques: int, tuft: int, start: np.ndarray) -> None:
    """The trunk, cut where obliques leave it, and the tuft at its end."""
    sizes: list[int] = []
    while sum(sizes) < obliques:  # most obliques do not fork, some do once or twice
        sizes.append(min(1 + int(rng.poisson(0.4)), obliques - sum(sizes)))
    trunk = grower.scale * rng.uniform(280.0, 380.0)
    places = np.sort(rng.uniform(0.08, 0.7, len(sizes)))
    lengths = np.maximum(np.diff(np.concatenate([[0.0], places, [1.0]])) * trunk, 1.0)
    way, parent, attach = _unit(np.array([rng.normal(0, 0.05), 1.0, rng.normal(0, 0.05)])), 0, 0.5
    ahead = tuft + obliques
    for k, length in enumerate(lengths):
        end = sizes[k] if k < len(sizes) else 0
        distal = grower.tip * ahead ** (1 / _RALL)
        points = grower.path(start, way, length, distal * grower.widening(), distal, wander=0.03)
        parent = grower.add(points, parent, attach, "apical")
        start, attach = points[-1, :3], 1.0
        if end:
            side = _unit(np.cross(way, rng.normal(size=3)))
            grower.tree(start, _unit(side + 0.3 * way), end, parent, 1.0, "apical", (35.0, 120.0))
            ahead -= end
    if tuft == 1:
        return  # the trunk itself is the last tip
    left = int(rng.integers(1, tuft))
    for n in (left, tuft - left):
        side = _unit(np.cross(way, rng.normal(size=3)))
        grower.tree(start, _unit(way + 0.5 * side), n, parent, 1.0, "apical", (40.0, 110.0))


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v)


@final
class _Grower:
    """The branches grown so far, and the random numbers that shape the next."""

    def __init__(self, rng: np.random.Generator, scale: float) -> None:
        self.rng, self.scale = rng, scale
        self.tip = rng.uniform(0.25, 0.35)  # radius of all tips, µm
        self.branches: list[Branch] = []

    def add(self, points: np.ndarray, parent: int, attach: float, tag: str) -> int:
        """Append a branch and return its number."""
        self.branches.append(Branch(points, parent, attach, tag))
        return len(self.branches) - 1

    def widening(self) -> float:
        """How much wider a branch starts than it ends."""
        return self.rng.uniform(1.0, 1.15)

    def tree(
        self,
        start: np.ndarray,
        way: np.ndarray,
        tips: int,
        parent: int,
        attach: float,
        tag: str,
        means: tuple[float, float],
    ) -> None:
        """Grow a binary tree of `tips` tips; `means` are the mean lengths in µm of inner and of terminal branches."""
        mean, shape = (means[1], 8.0) if tips == 1 else (means[0], 2.0)
        length = max(self.scale * self.rng.gamma(shape, mean / shape), 1.0)
        distal = self.tip * tips ** (1 / _RALL)
        points = self.path(start, way, length, distal * self.widening(), distal)
        own = self.add(points, parent, attach, tag)
        if tips == 1:
            return
        left = int(self.rng.integers(1, tips))
        heading = _unit(points[-1, :3] - points[-2, :3])
        side = _unit(np.cross(heading, self.rng.normal(size=3)))
        for n, sign in ((left, 1.0), (tips - left, -1.0)):
            angle = self.rng.uniform(0.3, 0.7)
            self.tree(points[-1, :3], _unit(heading + sign * angle * side), n, own, 1.0, tag, means)

    def path(
        self,
        start: np.ndarray,
        way: np.ndarray,
        length: float,
        first: float,
        last: float,
        wander: float = 0.15,
    ) -> np.ndarray:
        """A wavering polyline of exactly `length` µm whose radius runs from `first` to `last`."""
        n = max(int(np.ceil(length / _STEP)), 1)
        drift = np.cumsum(self.rng.normal(0, wander, (n, 3)), axis=0) / np.sqrt(n)
        steps = way + drift + self.rng.normal(0, wander / 3, (n, 3))
        steps *= length / n / np.linalg.norm(steps, axis=1, keepdims=True)
        xyz = start + np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
        return np.column_stack([xyz, np.linspace(first, last, n + 1)])
