"""WHILE with a computed condition: so many turns as the values say, up to a number of turns that is fixed."""

from typing import Any

import jax
import jax.numpy as jnp

from . import maths
from . import tree as t
from .draws import CHANCE, Draws
from .flow import Flow

MOST = 256
"""No WHILE whose condition is computed takes more turns."""


def turned(machine: Any, s: t.While, scope: Any, mask: Any) -> None:
    """Run a WHILE whose condition is computed: a turn where the condition holds, NaN where there would be too many."""
    names = Flow(machine.file).assigned(s.body)
    homes = {n: scope.home(n) for n in sorted(names) if scope.home(n) is not None}
    draws = scope.shared.get(CHANCE)
    words = jax.random.key_data(draws.next()) if isinstance(draws, Draws) else None
    branch = t.If(((s.condition, s.body),), (), s.line)

    def once(values: dict[str, Any], turn: Any) -> dict[str, Any]:
        there = scope.copy()
        _put(there, values)
        if isinstance(draws, Draws):
            there.shared[CHANCE] = draws.again(words, turn)
        machine.run((branch,), there, mask)
        return {n: _numbers(there.home(n)[n]) for n in homes}

    values = {n: _numbers(home[n]) for n, home in homes.items()}
    for _ in range(2):  # what a turn makes of numbers are arrays, and of these the next turn what stays
        like = jax.eval_shape(once, values, 0)
        values = jax.tree.map(lambda x, a: jnp.broadcast_to(jnp.asarray(x, a.dtype), a.shape), values, like)
    after, _ = jax.lax.scan(lambda now, turn: (once(now, turn), None), values, jnp.arange(MOST))
    _put(scope, after)
    more = maths.truth(machine.evaluate(s.condition, scope, mask))
    more = more if mask is None else mask & more
    _put(scope, jax.tree.map(lambda x: jnp.where(more, jnp.nan, x), after))


def _numbers(x: Any) -> Any:
    """Return the value of a variable, or of an array, as arrays of floating numbers."""
    if isinstance(x, list):
        return [_numbers(y) for y in x]
    return jnp.asarray(maths.plain(x), jnp.result_type(float, maths.plain(x)))


def _put(scope: Any, values: dict[str, Any]) -> None:
    for name, x in values.items():
        scope.home(name)[name] = x
