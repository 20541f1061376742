"""The solve for cells that electrical synapses join: no longer a tree, but close to one."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.scipy.sparse.linalg import cg

from ..base.types import Array, Float
from ..solve import Tree, matvec, solve
from .physics import Junctions


def solve_joined(
    forest: Sequence[Tree],
    diagonal: Float[Array, "cv"],
    axial: Float[Array, "node"],
    rhs: Float[Array, "cv"],
    junctions: Sequence[Junctions],
) -> Float[Array, "cv"]:
    """Solve the cable equation of cells with gap junctions.

    A junction of conductance g adds g (v_a − v_b) to one end and its negative to the other. The matrix stays symmetric
    and positive: conjugate gradients with the tree solve as preconditioner need a handful of iterations, and are exact
    to rounding after at most twice as many as there are junctions. Without junctions it is the tree solve.
    """
    trees = tuple(forest)
    if not junctions:
        return solve(trees, diagonal, axial, rhs)
    held = diagonal
    for j in junctions:
        held = j.b.add(j.a.add(held, j.g), j.g)

    def product(x: Array) -> Array:
        found = matvec(trees, diagonal, axial, x)
        for j in junctions:
            flow = j.g * (j.a.take(x) - j.b.take(x))
            found = j.b.add(j.a.add(found, flow), -flow)
        return found

    precise = 50.0 * float(jnp.finfo(rhs.dtype).eps)
    with jax.named_scope("gap_junctions"):
        found, _ = cg(product, rhs, M=lambda r: solve(trees, held, axial, r), tol=precise, maxiter=100)
    return found
