"""Values that differ from branch to branch of one cell: which is whose, who is next to whom, smooth ones to find."""

from dataclasses import dataclass
from math import erf
from typing import Any, final

import jax.numpy as jnp
import numpy as np

from ..base.errors import unknown
from ..base.types import Array, Float, Int
from ..model.layout import Group
from ..model.model import Model
from ..morph import CVs, Location


@final
@dataclass(frozen=True)
class Middles(Location):
    """The control volume in the middle of every branch, or of the branches named."""

    branches: tuple[int, ...] = ()
    single = False

    def resolve(self, cvs: CVs, labels: Any = None) -> Int[np.ndarray, " branch"]:
        middle = cvs.offsets[:-1] + np.diff(cvs.offsets) // 2
        return middle[list(self.branches)] if self.branches else middle

    def __str__(self) -> str:
        return f"middles of {len(self.branches) or 'all'} branches"


def middle_distances(cvs: CVs) -> Float[np.ndarray, " branch"]:
    """Return how far the middle of every branch is from the middle of the soma, along the tree (µm)."""
    distance, count = cvs.distance, np.diff(cvs.offsets)
    low, high = (distance[cvs.offsets[:-1] + k] for k in ((count - 1) // 2, count // 2))
    return 0.5 * (low + high)


def branches_of(model: Model, path: str) -> Int[np.ndarray, " value"]:
    """Return the branch that each value of a parameter belongs to which has one for every branch of one cell."""
    painted = model.structure.painted(path)
    if painted is None or painted.scope != "branch":
        raise unknown("parameter with a value per branch", path, model.params)
    entries = painted.where
    for mechanism in (*model.structure.channels, *model.structure.ions):
        if any(path in p.paths for field in mechanism.fields.values() for p in field.painted):
            entries = mechanism.index[painted.where]
    group = group_of(model, painted.address.population)
    branch = np.empty(painted.width("branch"), int)
    branch[painted.owners["branch"]] = group.cvs.branch[(entries - group.start) // group.lanes]
    return branch


def group_of(model: Model, population: str) -> Group:
    """Return where the cells of a population of one shape lie."""
    (group,) = model.structure.layout(population).groups
    return group


def neighbours(cvs: CVs, branches: Int[np.ndarray, " value"]) -> Int[np.ndarray, "edge 2"]:
    """Return the pairs of values whose branches are parent and child; `branches` [value] are those that have one."""
    place = {int(b): k for k, b in enumerate(branches)}
    parents = cvs.branch_parent[branches]
    pairs = [(k, place[int(p)]) for k, p in enumerate(parents) if int(p) in place]
    return np.array(pairs, int).reshape(-1, 2)


def roughness(theta: dict[str, Array], edges: dict[str, Int[np.ndarray, "edge 2"]]) -> Float[Array, ""]:
    """Return the sum over all edges of the squared difference of the values at their ends."""
    squares = (jnp.sum(jnp.square(theta[path][e[:, 0]] - theta[path][e[:, 1]])) for path, e in edges.items())
    return sum(squares, jnp.zeros(()))


def smooth_shares(
    rng: np.random.Generator, distance: Float[np.ndarray, " value"], reach: float
) -> Float[np.ndarray, " value"]:
    """Return shares between 0.1 and 0.9 that vary smoothly with `distance` (µm).

    A Gaussian process with a squared-exponential kernel of length `reach`, through the normal distribution function.
    """
    kernel = np.exp(-0.5 * ((distance[:, None] - distance) / reach) ** 2)
    # Branches equally far away make it singular; a thousandth of noise does not.
    drawn = np.linalg.cholesky(kernel + 1e-6 * np.eye(len(distance))) @ rng.standard_normal(len(distance))
    return between(drawn)


def between(z: Float[np.ndarray, " value"]) -> Float[np.ndarray, " value"]:
    """Return the normal distribution function of `z`, scaled to lie between 0.1 and 0.9."""
    return 0.1 + 0.4 * (1.0 + np.vectorize(erf, otypes=[float])(np.asarray(z) / np.sqrt(2.0)))
