"""The solve for cells that electrical synapses join: no longer a tree, but close to one."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.scipy.sparse.linalg import cg

from ..base.types import Array, Float
from ..solve import Tree, matvec, solve
from .links import Link


def solve_joined(
    forest: Sequence[Tree],
    diagonal: Float[Array, "cv"],
    axial: Float[Array, "node"],
    rhs: Float[Array, "cv"],
    links: Sequence[Link],
) -> Float[Array, "cv"]:
    """Solve the cable equation of cells with gap junctions.

    A junction of conductance g adds g (v_a − v_b) to one end and its negative to the other. The matrix stays symmetric
    and positive: conjugate gradients with the tree solve as preconditioner, to 50 units of rounding or 100 iterations;
    up to 50 junctions that is exact. Without junctions it is the tree solve.
    """
    trees = tuple(forest)
    if not links:
        return solve(trees, diagonal, axial, rhs)
    loaded = diagonal
    for link in links:
        loaded = link.b.add(link.a.add(loaded, link.g), link.g)

    def product(x: Array) -> Array:
        flow_out = matvec(trees, diagonal, axial, x)
        for link in links:
            flow_out = link.add_outflow(flow_out, x)
        return flow_out

    precise = 50.0 * float(jnp.finfo(rhs.dtype).eps)
    with jax.named_scope("gap_junctions"):
        v, _ = cg(product, rhs, M=lambda r: solve(trees, loaded, axial, r), tol=precise, maxiter=100)
    return v
