"""Derivatives of the loop: it is a loop that carries tangents too.

Where only tangents are unknown (a linearisation), that splits into a run that keeps what its reverse needs, and
`tangent_p`, whose transpose is `adjoint_p`. Derivatives of these two go through the reference.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
from jax.extend import core
from jax.extend.core import Primitive
from jax.interpreters import ad
from jax.interpreters import partial_eval as pe

from .interpret import of_some
from .loop import Loop, unfolded
from .primitive import (
    Flags,
    adjoint_p,
    bound_loop,
    loop_p,
    reference_cotangents,
    reference_tangents,
    tangent_p,
)  # fmt: skip


def _jvp(
    primals: Any, tangents: Any, *, loop: Loop, lanes: int | None, flags: Flags, nonzero: Flags, keep: bool
) -> tuple[list[Any], list[Any]]:
    """Run the loop that carries tangents too."""
    zero = [isinstance(t, ad.Zero) for t in tangents]
    primals, tangents = list(primals), list(tangents)
    asked = tuple(not z for z in zero[: loop.n_theta])
    smaller, moving, sources = unfolded(loop, asked)
    n = loop.n_theta
    thetas, dthetas, theta_flags = primals[:n], tangents[:n], list(flags[:n])
    if smaller is not loop:
        thetas, dthetas, theta_flags = _moved(moving, thetas, dthetas, flags[:n], lanes, sources)
    asked = tuple(asked[i] for i in sources)
    states = primals[n:]
    dstates = [ad.instantiate_zeros(tangents[n + i]) for i in loop.moving]
    dual = smaller.with_tangents(asked)
    operands = [*thetas, *(t for t, nz in zip(dthetas, asked, strict=True) if nz), *states, *dstates]
    both = [*theta_flags, *(f for f, nz in zip(theta_flags, asked, strict=True) if nz)]
    both += [*flags[n:], *(flags[n + i] for i in loop.moving)]
    found = bound_loop(dual, operands, lanes, both)
    count = loop.n_state + len(loop.moving)
    last, outs = found[:count], found[count:]
    results = [*last[: loop.n_state], *outs[: loop.n_out]]
    dlast = dict(zip(loop.moving, last[loop.n_state :], strict=True))
    douts = dict(zip(loop.told, outs[loop.n_out :], strict=True))
    changes = [dlast.get(i) for i in range(loop.n_state)] + [douts.get(i) for i in range(loop.n_out)]
    changes = [_zero(x) if t is None else t for x, t in zip(results, changes, strict=True)]
    if keep:
        residual = loop_p.bind(*primals, loop=loop, lanes=lanes, flags=flags, nonzero=nonzero, keep=True)[-1]
        results, changes = [*results, residual], [*changes, _zero(residual)]
    return results, changes


def _zero(x: Any) -> Any:
    return ad.Zero(jax.typeof(x).to_tangent_aval())


def _moved(
    moving: Callable[..., list[Any]], thetas: list[Any], tangents: list[Any], flags: Flags, lanes: Any,
    sources: list[int],
) -> tuple[list[Any], list[Any], list[bool]]:  # fmt: skip
    """Return the thetas of the unfolded loop, their tangents and flags."""
    fn = moving
    if lanes is not None:
        axes = [0 if f else None for f in flags]
        fn = jax.vmap(moving, axes, [0 if flags[i] else None for i in sources], axis_size=lanes)
    moved = fn(*thetas)
    free = [i for i, t in enumerate(tangents) if not isinstance(t, ad.Zero)]

    of = of_some(fn, thetas, free)
    changes = jax.jvp(of, tuple(thetas[i] for i in free), tuple(tangents[i] for i in free))[1]
    changes = [c if i in free else tangents[i] for c, i in zip(changes, sources, strict=True)]
    return moved, changes, [flags[i] for i in sources]


def _partial_eval(trace: Any, *tracers: Any, loop: Loop, lanes: Any, flags: Flags, **params: Any) -> Any:
    """Split a loop with tangents where all but the tangents is known."""
    dual = loop.dual
    whole = partial(trace.default_process_primitive, loop_p, tracers)
    params = {"loop": loop, "lanes": lanes, "flags": flags, **params}
    if dual is None:
        return whole(params)
    base, nonzero = dual
    chosen = sum(nonzero)
    a, b, c = base.n_theta, base.n_theta + chosen, base.n_theta + chosen + base.n_state
    primal = [*tracers[:a], *tracers[b:c]]
    tangent = [*tracers[a:b], *tracers[c:]]
    if not all(t.is_known() for t in primal) or all(t.is_known() for t in tangent):
        return whole(params)
    values = [t.pval.get_known() for t in primal]
    base_flags = (*flags[:a], *flags[b:c])
    found = loop_p.bind(*values, loop=base, lanes=lanes, flags=base_flags, nonzero=nonzero, keep=True)
    *results, residual = found
    fixed = [trace.instantiate_const(trace.new_const(x)) for x in (residual, *values)]
    changing = [trace.instantiate_const(t) for t in tangent]
    changes = trace.default_process_primitive(
        tangent_p,
        [*fixed, *changing],
        {"loop": base, "lanes": lanes, "flags": base_flags, "nonzero": nonzero},
    )
    known = [trace.new_const(x) for x in results]
    last, outs = known[: base.n_state], known[base.n_state :]
    moving, told = changes[: len(base.moving)], changes[len(base.moving) :]
    return [*last, *moving, *outs, *told]


def _partial_eval_again(
    saveable: Callable[..., Any], unknown: Sequence[bool], ready: Sequence[bool], equation: Any
) -> tuple[Any, Any, list[bool], list[bool], list[Any]]:
    """Split a loop within `jax.checkpoint`: values are computed now, on the way back all is computed again.

    Returns the equation now and that again, which results are unknown now and known then, and what is kept for then.
    """
    count, params = len(equation.outvars), equation.params
    kept = [
        x for x, r in zip(equation.invars, ready, strict=True) if not r and not isinstance(x, core.Literal)
    ]
    again = None, equation, [True] * count, [True] * count, kept
    if not any(unknown):
        policy = saveable(equation.primitive, *(x.aval for x in equation.invars), **params)
        if policy is True or type(policy).__name__ == "SaveableType":
            return equation, None, [False] * count, [False] * count, []
        return equation, equation, [False] * count, [True] * count, kept
    if (dual := params["loop"].dual) is None:
        return again
    base, a = dual.loop, dual.loop.n_theta
    b, c = a + sum(dual.nonzero), a + sum(dual.nonzero) + base.n_state
    if any(unknown[:a]) or any(unknown[b:c]):
        return again
    flags, states = params["flags"], base.n_state + len(base.moving)
    now = equation.replace(
        invars=[*equation.invars[:a], *equation.invars[b:c]],
        outvars=[*equation.outvars[: base.n_state], *equation.outvars[states : states + base.n_out]],
        params={**params, "loop": base, "flags": (*flags[:a], *flags[b:c])},
    )
    known = [i < base.n_state or states <= i < states + base.n_out for i in range(count)]
    return now, equation, [not k for k in known], [True] * count, kept


def _transpose(
    cts: Any, residual: Any, *xs: Any, loop: Loop, lanes: Any, flags: Flags, nonzero: Flags
) -> list[Any]:
    count = loop.n_theta + loop.n_state
    given = [ad.instantiate_zeros(ct) for ct in cts]
    found = adjoint_p.bind(
        residual, *xs[:count], *given, loop=loop, lanes=lanes, flags=flags, nonzero=nonzero, per_lane=False
    )
    return [None] * (1 + count) + list(found)


def _reference_jvp(primitive: Primitive, fn: Callable[..., Any]) -> Callable[..., Any]:
    """The derivative of a companion: by the reference, from everything but what was kept."""

    def rule(primals: Any, tangents: Any, **params: Any) -> Any:
        residual, *xs = primals
        free = [i for i, t in enumerate(tangents[1:]) if not isinstance(t, ad.Zero)]
        of = of_some(partial(fn, None, **params), xs, free)
        changes = jax.jvp(of, tuple(xs[i] for i in free), tuple(tangents[1 + i] for i in free))[1]
        return primitive.bind(residual, *xs, **params), changes

    return rule


ad.primitive_jvps[loop_p] = _jvp
ad.primitive_jvps[tangent_p] = _reference_jvp(tangent_p, reference_tangents)
ad.primitive_jvps[adjoint_p] = _reference_jvp(adjoint_p, reference_cotangents)
ad.primitive_transposes[tangent_p] = _transpose
pe.custom_partial_eval_rules[loop_p] = _partial_eval
pe.partial_eval_jaxpr_custom_rules[loop_p] = _partial_eval_again
