"""The solve for cells that electrical synapses join: no longer a tree, but close to one."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

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
    and positive: conjugate gradients with the tree solve as preconditioner, until the residual is rounding. Each
    junction takes one iteration at most, and weak ones hardly any. A solve that does not get there is NaN, so that the
    run says so. Without junctions it is the tree solve.
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

    most = 100 + 4 * sum(len(link.a) for link in links)

    def conjugate(product: Callable[[Array], Array], b: Array) -> Array:
        return conjugate_gradients(product, lambda r: solve(trees, loaded, axial, r), b, most)

    with jax.named_scope("gap_junctions"):
        return jax.lax.custom_linear_solve(product, rhs, conjugate, symmetric=True)


def conjugate_gradients(
    product: Callable[[Array], Array], precondition: Callable[[Array], Array], b: Array, most: int
) -> Array:
    """Return x with product(x) = b, to 50 units of rounding of b; NaN where `most` iterations do not reach that.

    Both functions are symmetric and positive. Source: Hestenes & Stiefel (1952), J Res Natl Bur Stand 49:409.
    """
    enough = (50.0 * float(jnp.finfo(b.dtype).eps)) ** 2 * jnp.vdot(b, b)

    def going(state: tuple[Array, ...]) -> Array:
        _, r, _, _, k = state
        return (jnp.vdot(r, r) > enough) & (k < most)

    def further(state: tuple[Array, ...]) -> tuple[Array, ...]:
        x, r, p, rz, k = state
        image = product(p)
        step = rz / jnp.vdot(p, image)
        x, r = x + step * p, r - step * image
        z = precondition(r)
        ahead = jnp.vdot(r, z)
        return x, r, z + (ahead / rz) * p, ahead, k + 1

    x = precondition(b)
    r = b - product(x)
    p = precondition(r)
    first = x, r, p, jnp.vdot(r, p), jnp.zeros((), jnp.int32)
    x, r, _, _, _ = jax.lax.while_loop(going, further, first)
    return jnp.where(jnp.vdot(r, r) <= enough, x, jnp.nan)
