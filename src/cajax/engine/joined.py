"""The solve for cells that electrical synapses join: no longer a tree, but close to one."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, mlir

from ..base.types import Array, Float
from ..solve import Index, Tree, matvec, solve, spread, take
from ..solve.lead import define_batches, lead_of, over_lead, summed_over_shared
from .links import Link
from .sites import Sites

RANKS = 1, 1, 1, 1
"""The axes of the operands but those of a batch."""

joined_solve_p = Primitive("cajax_joined_solve")
"""Operands: diagonal [..., cv], axial [..., node], right side [..., cv], conductances of all links [..., junction]."""


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
    joints = jnp.concatenate([link.g for link in links])
    a, b = _joined([link.a for link in links]), _joined([link.b for link in links])
    return joined_solve_p.bind(
        diagonal, axial, rhs, joints, forest=trees, a=a, b=b, most=100 + 4 * len(joints)
    )


def _joined(sites: Sequence[Sites]) -> Index:
    return Index(np.concatenate([x.index for x in sites]), sites[0].size)


def conjugate_gradients(
    product: Callable[[Array], Array], precondition: Callable[[Array], Array], b: Array, most: int
) -> Array:
    """Return x with product(x) = b, to 4 units of rounding of b; NaN where `most` iterations do not reach that.

    Both functions are symmetric and positive. Source: Hestenes & Stiefel (1952), J Res Natl Bur Stand 49:409.
    """
    enough = (4.0 * float(jnp.finfo(b.dtype).eps)) ** 2 * jnp.vdot(b, b)

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


def _product(
    diagonal: Array, axial: Array, joints: Array, x: Array, *, forest: Any, a: Index, b: Index
) -> Array:
    """A x: what leaves every control volume, through the tree and through junctions."""
    flow = joints * (take(x, a) - take(x, b))
    return matvec(forest, diagonal, axial, x) + spread(flow, a) - spread(flow, b)


def _plain(
    diagonal: Array, axial: Array, rhs: Array, joints: Array, *, forest: Any, a: Index, b: Index, most: int
) -> Array:
    loaded = diagonal + spread(joints, a) + spread(joints, b)
    product = partial(_product, diagonal, axial, joints, forest=forest, a=a, b=b)
    with jax.named_scope("gap_junctions"):
        return conjugate_gradients(product, lambda r: solve(forest, loaded, axial, r), rhs, most)


def _rule(*operands: Array, **static: Any) -> Array:
    return over_lead(partial(_plain, **static), RANKS, *operands)


def _jvp(primals: Any, tangents: Any, **static: Any) -> tuple[Array, Any]:
    """A dx = db − dA x."""
    diagonal, axial, _, joints = primals
    x = joined_solve_p.bind(*primals, **static)
    matrix, moved = (diagonal, axial, joints), (tangents[0], tangents[1], tangents[3])
    change = None if isinstance(tangents[2], ad.Zero) else tangents[2]
    if not all(isinstance(t, ad.Zero) for t in moved):
        of = {k: static[k] for k in ("forest", "a", "b")}

        def changed(*operands: Array) -> Array:
            at, moved, x = operands[:3], operands[3:6], operands[6]
            return jax.jvp(lambda d, g, j: _product(d, g, j, x, **of), at, moved)[1]

        given = [ad.instantiate_zeros(t) for t in moved]
        pull = over_lead(changed, (1,) * 7, *matrix, *given, x)
        change = -pull if change is None else change - pull
    if change is None:
        return x, ad.Zero(jax.typeof(x).to_tangent_aval())
    return x, joined_solve_p.bind(diagonal, axial, change, joints, **static)


def _transpose(ct: Any, diagonal: Array, axial: Array, rhs: Any, joints: Array, **static: Any) -> list[Any]:
    """A is symmetric."""
    if isinstance(ct, ad.Zero):
        return [None, None, ad.Zero(rhs.aval), None]
    found = joined_solve_p.bind(diagonal, axial, ct, joints, **static)
    return [None, None, summed_over_shared(found, rhs.aval), None]


def _shape(*operands: Any, **_: Any) -> Any:
    rhs = operands[2]
    return jax.core.ShapedArray((*lead_of(RANKS, *operands), rhs.shape[-1]), rhs.dtype)  # pyright: ignore


joined_solve_p.def_impl(jax.jit(_rule, static_argnames=("forest", "a", "b", "most")))
joined_solve_p.def_abstract_eval(_shape)
mlir.register_lowering(joined_solve_p, mlir.lower_fun(_rule, multiple_results=False))
ad.primitive_jvps[joined_solve_p] = _jvp
ad.primitive_transposes[joined_solve_p] = _transpose
define_batches(joined_solve_p)
