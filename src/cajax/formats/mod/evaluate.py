"""Statements of NMODL run on JAX values: traced once, they become part of the program that runs the model."""

from collections.abc import Callable, Mapping
from typing import Any, final

import jax.numpy as jnp

from . import loops, maths, tables
from . import tree as t
from .draws import CHANCE, DRAWN, Draws
from .faults import AtLine
from .flow import Flow
from .maths import Mask
from .patterns import common_zero, exponent, removable

MOST_SOUGHT = 128
"""No array that is sought in, element by element, is longer."""
MOST_COMPUTED = 16
"""No loop whose end is computed takes more turns."""
MOST_TURNS = 10_000
DEEPEST = 40
MISSING = {
    "t": "the time of the run",
    "dt": "the time step",
    "diam": "the diameter",
    "area": "the area of the segment",
    "secondorder": "the order of the method",
    "v": "the voltage",
    "celsius": "the temperature",
}
_REFUSED = (
    "net_send",
    "net_event",
    "net_move",
    "nrn_pointing",
    "random_ipick",
    "poisrand",
    "nrn_random_pick",
    "artcell",
)
_STREAMS = ("set_seed", "random_setseq", "random_setids", "random_reset_stream")
"""What sets the streams of random numbers; here the class has a seed."""


@final
class Scope:
    """The variables that statements see: those of the mechanism, and the local ones of a routine."""

    def __init__(self, shared: dict[str, Any], local: dict[str, Any] | None = None):
        self.shared, self.local = shared, {} if local is None else local

    def copy(self) -> "Scope":
        return Scope(dict(self.shared), dict(self.local))

    def home(self, name: str) -> dict[str, Any] | None:
        """Return the dictionary that has a variable, None where neither has."""
        return self.local if name in self.local else self.shared if name in self.shared else None


@final
class Machine:
    """Runs statements of one file. `hooks` say what `x' = …`, SOLVE and other special statements do."""

    def __init__(self, file: t.File, hooks: Mapping[type, Callable[..., None]]):
        self.file, self.hooks = file, hooks
        self.depth = 0
        self._zeros: dict[int, str | None] = {}
        self._removable: dict[int, bool] = {}

    def run(self, body: t.Body, scope: Scope, mask: Mask = None) -> None:
        """Run statements; what they assign is in `scope` afterwards."""
        for statement in body:
            self._one(statement, scope, mask)

    def _one(self, s: t.Stmt, scope: Scope, mask: Mask) -> None:
        hook = self.hooks.get(type(s))
        if hook is not None:
            hook(s, scope, mask)
            return
        match s:
            case t.Assign():
                self.assign(s.target, self.number(s.value, scope, mask), scope, mask)
            case t.Local():
                for name, length in s.names:
                    scope.local[name] = [0.0] * length if length else 0.0
            case t.If() if self._is_removable(s):
                self.run(s.otherwise, scope, mask)
            case t.If():
                self._branch(s.branches, s.otherwise, scope, mask)
            case t.From():
                self._loop(s, scope, mask)
            case t.While():
                self._while(s, scope, mask)
            case t.Do():
                self.do(s.call, scope, mask)
            case t.Foreign():
                raise AtLine(s.line, f"{s.text} is not taken over; write it in NMODL, or leave it out")
            case _:
                raise AtLine(s.line, f"a statement of this kind ({type(s).__name__}) cannot stand here")

    def _is_removable(self, s: t.If) -> bool:
        if id(s) not in self._removable:
            self._removable[id(s)] = removable(s)
        return self._removable[id(s)]

    def assign(self, target: t.Name, value: Any, scope: Scope, mask: Mask) -> None:
        """Give a variable, or an element of an array, a value."""
        home = scope.home(target.id)
        if home is None:
            raise AtLine(target.line, f"'{target.id}' is not declared; add it to ASSIGNED or LOCAL")
        if target.index is None:
            if isinstance(home[target.id], list):
                raise AtLine(target.line, f"'{target.id}' is an array; write {target.id}[0]")
            home[target.id] = value
            return
        whole = home[target.id]
        k = self._index(target, whole, scope, mask)
        if isinstance(k, int):
            home[target.id] = [*whole[:k], value, *whole[k + 1 :]]
        else:
            home[target.id] = [_chosen(k == place, value, old) for place, old in enumerate(whole)]

    def _index(self, name: t.Name, whole: Any, scope: Scope, mask: Mask) -> Any:
        """Return the place of an element: a number, or an array of whole numbers where it is computed."""
        if not isinstance(whole, list):
            raise AtLine(name.line, f"'{name.id}' is no array")
        k = self.number(name.index or t.Number(0.0), scope, mask)
        if not isinstance(k, float):
            if len(whole) > MOST_SOUGHT:
                raise AtLine(
                    name.line, f"the index of '{name.id}' is computed, and it has over {MOST_SOUGHT} elements"
                )
            return jnp.clip(jnp.trunc(k), 0, len(whole) - 1)
        if not 0 <= int(k) < len(whole):
            raise AtLine(name.line, f"'{name.id}[{int(k)}]' lies outside its {len(whole)} elements")
        return int(k)

    def _branch(self, branches: Any, otherwise: t.Body, scope: Scope, mask: Mask) -> None:
        if not branches:
            self.run(otherwise, scope, mask)
            return
        (condition, body), *rest = branches
        where = maths.truth(self.evaluate(condition, scope, mask))
        if where is True:
            self.run(body, scope, mask)
            return
        if where is False:
            self._branch(rest, otherwise, scope, mask)
            return
        yes, no = scope.copy(), scope.copy()
        self.run(body, yes, where if mask is None else mask & where)
        self._branch(rest, otherwise, no, ~where if mask is None else mask & ~where)
        for home, a, b in ((scope.shared, yes.shared, no.shared), (scope.local, yes.local, no.local)):
            for name in {*a, *b}:
                home[name] = _chosen(where, a.get(name, 0.0), b.get(name, 0.0))

    def _loop(self, s: t.From, scope: Scope, mask: Mask) -> None:
        first, last, step = (self.number(x, scope, mask) for x in (s.first, s.last, s.step))
        if isinstance(first, float) and step == 1.0 and not isinstance(last, float):
            self._loop_until(s, int(first), last, scope, mask)
            return
        if not all(isinstance(x, float) for x in (first, last, step)) or step == 0:
            raise AtLine(s.line, "FROM begins at what is computed; only a computed end is taken over")
        turns = range(int(first), int(last) + (1 if step > 0 else -1), int(step))
        if len(turns) > MOST_TURNS:
            raise AtLine(s.line, f"FROM runs more than {MOST_TURNS:,} times")
        home = scope.local if scope.home(s.name) is None else scope.home(s.name)
        for k in turns:
            home[s.name] = float(k)  # pyright: ignore[reportOptionalSubscript]
            self.run(s.body, scope, mask)

    def _loop_until(self, s: t.From, first: int, last: Any, scope: Scope, mask: Mask) -> None:
        """Run a loop whose end is computed: every turn where it is taken; NaN where there are too many."""
        index, end = t.Name(s.name, None, s.line), t.Name("last'", None, s.line)
        scope.local["last'"] = last  # computed once, whatever the turns change
        if scope.home(s.name) is None:
            scope.local[s.name] = 0.0
        for k in range(first, first + MOST_COMPUTED):
            turn = (t.Assign(index, t.Number(float(k)), s.line), *s.body)
            self._branch(((t.Binary("<=", t.Number(float(k)), end, s.line), turn),), (), scope, mask)
        more = jnp.trunc(scope.local.pop("last'")) >= first + MOST_COMPUTED
        self._spoil(s.body, more, scope)

    def _spoil(self, body: t.Body, more: Any, scope: Scope) -> None:
        """Make NaN of what a loop assigns where it takes more turns than are taken over."""
        changed = Flow(self.file).assigned(body)
        for home in (scope.shared, scope.local):
            for name in changed & set(home):
                home[name] = _spoilt(more, home[name])

    def _while(self, s: t.While, scope: Scope, mask: Mask) -> None:
        for _ in range(MOST_TURNS):
            where = maths.truth(self.evaluate(s.condition, scope, mask))
            if not isinstance(where, bool):
                loops.turned(self, s, scope, mask)
                return
            if not where:
                return
            self.run(s.body, scope, mask)
        raise AtLine(s.line, f"WHILE runs more than {MOST_TURNS:,} times")

    def do(self, call: t.Call, scope: Scope, mask: Mask) -> None:
        """Make a call for its effect."""
        if call.name == "state_discontinuity" and len(call.args) == 2 and isinstance(call.args[0], t.Name):
            self.assign(call.args[0], self.number(call.args[1], scope, mask), scope, mask)
        elif call.name not in _STREAMS:
            self._called(call, scope, mask)

    def number(self, expr: t.Expr, scope: Scope, mask: Mask) -> Any:
        """Return the value of an expression as a number."""
        return maths.plain(self.evaluate(expr, scope, mask))

    def evaluate(self, expr: t.Expr, scope: Scope, mask: Mask) -> Any:
        """Return the value of an expression: a plain number where it is one, else an array."""
        match expr:
            case t.Number():
                return expr.value
            case t.Name():
                return self._variable(expr, scope, mask)
            case t.Unary(op="!"):
                x = maths.truth(self.evaluate(expr.x, scope, mask))
                return not x if isinstance(x, bool) else ~x
            case t.Unary():
                return -self.number(expr.x, scope, mask)
            case t.Call():
                return self._called(expr, scope, mask)
        return self._binary(expr, scope, mask)

    def _variable(self, name: t.Name, scope: Scope, mask: Mask) -> Any:
        home = scope.home(name.id)
        if home is None:
            what = f" ({MISSING[name.id]})" if name.id in MISSING else ""
            cure = "not taken over here" if what else "not declared; add it to ASSIGNED or LOCAL"
            raise AtLine(name.line, f"reads '{name.id}'{what}, which is {cure}")
        whole = home[name.id]
        if name.index is None:
            if isinstance(whole, list):
                raise AtLine(name.line, f"'{name.id}' is an array; write {name.id}[0]")
            return whole
        k = self._index(name, whole, scope, mask)
        if isinstance(k, int):
            return whole[k]
        found = whole[0]
        for place, element in enumerate(whole[1:], 1):
            found = _chosen(k == place, element, found)
        return found

    def _binary(self, expr: t.Binary, scope: Scope, mask: Mask) -> Any:
        op = expr.op
        if op == "/":
            found = self._quotient(expr, scope, mask)
            if found is not None:
                return found
        if op in ("&&", "||"):
            return self._logical(expr, scope, mask)
        a, b = self.number(expr.a, scope, mask), self.number(expr.b, scope, mask)
        if op == "/":
            return maths.divide(a, b, mask)
        if op == "^":
            return maths.power(a, b, mask)
        return maths.BINARY[op](a, b)

    def _logical(self, expr: t.Binary, scope: Scope, mask: Mask) -> Any:
        a = maths.truth(self.evaluate(expr.a, scope, mask))
        if isinstance(a, bool) and a == (expr.op == "||"):
            return a
        b = maths.truth(self.evaluate(expr.b, scope, mask))
        if isinstance(a, bool):
            return b
        return a & b if expr.op == "&&" else a | b

    def _quotient(self, expr: t.Binary, scope: Scope, mask: Mask) -> Any:
        """Return a/(exp(z) − 1) without its 0/0, None for any other quotient."""
        found = exponent(expr.b)
        if found is None:
            return None
        sign, z = found
        if id(expr) not in self._zeros:
            self._zeros[id(expr)] = common_zero(expr.a, z)
        w = self._zeros[id(expr)]
        if w is None:
            under = maths.expm1(self.number(z, scope, mask), mask)
            return maths.divide(self.number(expr.a, scope, mask), sign * under, mask)
        top, under = (self._slope(x, w, scope, mask) for x in (expr.a, z))
        return sign * maths.divide(top, under, mask) * maths.trapped(self.number(z, scope, mask))

    def _slope(self, expr: t.Expr, w: str, scope: Scope, mask: Mask) -> Any:
        """Return the slope of an expression that is linear in `w`."""
        ends = []
        for x in (1.0, 0.0):
            there = scope.copy()
            there.local[w] = x
            ends.append(self.number(expr, there, mask))
        return ends[0] - ends[1]

    def _called(self, call: t.Call, scope: Scope, mask: Mask) -> Any:
        routine = self.file.routines.get(call.name)
        if routine is not None and routine.kind in ("FUNCTION", "PROCEDURE"):
            args = [self.number(x, scope, mask) for x in call.args]
            return self._routine(routine, args, call, scope, mask)
        if call.name in self.file.tables:
            return self._looked_up(call, scope, mask)
        if call.name in maths.FUNCTIONS:
            count, function = maths.FUNCTIONS[call.name]
            if len(call.args) != count:
                raise AtLine(
                    call.line, f"{call.name} takes {count} argument{'s' * (count > 1)}, not {len(call.args)}"
                )
            return function(mask, *(self.number(x, scope, mask) for x in call.args))
        if call.name in DRAWN:
            return self._drawn(call, scope, mask)
        if call.name in _REFUSED:
            raise AtLine(call.line, f"{call.name} is not taken over here")
        raise AtLine(call.line, f"no function '{call.name}'; define it as a FUNCTION")

    def _drawn(self, call: t.Call, scope: Scope, mask: Mask) -> Any:
        """Return random numbers; the first argument may be the stream that NEURON would take them from."""
        draws, args = scope.shared.get(CHANCE), list(call.args)
        if not isinstance(draws, Draws):
            raise AtLine(call.line, f"{call.name} cannot be taken over here")
        if args and isinstance(args[0], t.Name) and args[0].id in self.file.randoms:
            args.pop(0)
        counts, function = DRAWN[call.name]
        if len(args) not in counts:
            known = " or ".join(map(str, counts))
            raise AtLine(call.line, f"{call.name} takes {known} arguments, not {len(args)}")
        return function(draws, *(self.number(x, scope, mask) for x in args))

    def _looked_up(self, call: t.Call, scope: Scope, mask: Mask) -> Any:
        x = [self.number(a, scope, mask) for a in call.args]
        table = self.file.tables[call.name]
        if table is not None and len(x) == 1:
            return tables.looked_up(table, x[0])
        if self.file.is_tried and len(x) == 1:
            return 1.0
        cure = f"read_mod(path, tables={{'{call.name}': (x, y)}})"
        raise AtLine(call.line, f"FUNCTION_TABLE {call.name} is empty; fill it: {cure}")

    def _routine(self, routine: t.Routine, args: list[Any], call: t.Call, scope: Scope, mask: Mask) -> Any:
        if len(args) != len(routine.args):
            raise AtLine(call.line, f"{routine.name} takes {len(routine.args)} arguments, not {len(args)}")
        if self.depth >= DEEPEST:
            raise AtLine(call.line, f"{routine.name} calls itself; write it without")
        self.depth += 1
        try:
            if self.file.usetable and routine.table is not None and len(args) == 1:
                return self._tabled(routine, routine.table, args[0], scope, mask)
            return self._body(routine, args, scope, mask)
        finally:
            self.depth -= 1

    def _body(self, routine: t.Routine, args: list[Any], scope: Scope, mask: Mask) -> Any:
        local = dict(zip(routine.args, args, strict=True))
        if routine.kind == "FUNCTION":
            local[routine.name] = 0.0
        inner = Scope(scope.shared, local)
        self.run(routine.body, inner, mask)
        return inner.local.get(routine.name, 0.0)

    def _tabled(self, routine: t.Routine, table: t.Table, x: Any, scope: Scope, mask: Mask) -> Any:
        """Return a FUNCTION by its table, or set what the table of a PROCEDURE holds."""
        first, last = (self.number(e, scope, mask) for e in (table.first, table.last))

        def at(x: Any) -> list[Any]:
            there = Scope(dict(scope.shared))
            found = self._body(routine, [x], there, mask)
            return [there.shared[n] for n in table.names] if table.names else [found]

        found = tables.between(first, last, table.count, x, at)
        if not table.names:
            return found[0]
        scope.shared.update(zip(table.names, found, strict=True))
        return 0.0


def _spoilt(where: Any, x: Any) -> Any:
    return [_spoilt(where, y) for y in x] if isinstance(x, list) else _chosen(where, jnp.nan, x)


def _chosen(where: Any, a: Any, b: Any) -> Any:
    if isinstance(a, list) and isinstance(b, list):
        return [_chosen(where, x, y) for x, y in zip(a, b, strict=True)]
    if a is b:
        return a
    if isinstance(a, float) and isinstance(b, float) and a == b:
        return a
    one, other = maths.plain(a), maths.plain(b)
    return jnp.where(where, one, other)
