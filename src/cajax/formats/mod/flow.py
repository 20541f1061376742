"""Which variables flow from one block of a file to another: NMODL's are global, and keep their values."""

from collections.abc import Iterable, Iterator
from typing import final

from . import tree as t
from .draws import CHANCE, DRAWN
from .patterns import names


@final
class Flow:
    """What statements read and assign, the routines that they call included."""

    def __init__(self, file: t.File):
        self.file = file

    def _called(self, expr: t.Expr) -> Iterator[t.Routine]:
        routines = self.file.routines
        return (routines[call.name] for call in _calls(expr) if call.name in routines)

    def statements(self, body: t.Body, seen: frozenset[str] = frozenset()) -> Iterator[t.Stmt]:
        """Yield all statements of a body, those inside others and of called routines too."""
        for s in body:
            yield s
            for inner in _inside(s):
                yield from self.statements(inner, seen)
            for expr in expressions(s):
                for routine in self._called(expr):
                    if routine.name not in seen:
                        yield from self.statements(routine.body, seen | {routine.name})

    def mentioned(self, body: t.Body) -> set[str]:
        """Return every variable that statements read or assign."""
        found: set[str] = set()
        for s in self.statements(body):
            for expr in expressions(s):
                found.update(names(expr))
            found |= assigned_by(s)
        return found | ({CHANCE} & self.read(body))

    def called(self, body: t.Body) -> set[str]:
        """Return the names of all functions that statements call, built-in ones too."""
        return {call.name for s in self.statements(body) for x in expressions(s) for call in _calls(x)}

    def read(self, body: t.Body) -> set[str]:
        """Return every variable that statements read; `CHANCE` where they draw random numbers."""
        found: set[str] = set()
        for s in self.statements(body):
            for expr in expressions(s):
                found.update(names(expr))
                if any(call.name in DRAWN for call in _calls(expr)):
                    found.add(CHANCE)
        return found

    def assigned(self, body: t.Body) -> set[str]:
        """Return every variable that statements may assign, local ones too."""
        found: set[str] = set()
        for s in self.statements(body):
            found |= assigned_by(s)
        return found

    def owned(self) -> set[str]:
        """Return the variables of the mechanism that any block assigns, without those local to a routine."""
        file = self.file
        found: set[str] = set()
        bodies = [
            (file.initial, set()),
            (file.breakpoint, set()),
            (file.receive_initial, set(file.receive.args if file.receive else ())),
        ]
        routines = [*file.routines.values(), *([file.receive] if file.receive else [])]
        bodies += [(r.body, {*r.args, r.name}) for r in routines]
        for body, own in bodies:
            for s in nested(body):
                found |= assigned_by(s) - own - _locals(body)
        return found

    def tainted(self, body: t.Body, seeds: Iterable[str]) -> set[str]:
        """Return the variables that may depend on `seeds` after statements ran, the seeds included.

        Arguments of routines are traced through their calls; what is assigned under a condition depends on it.
        """
        found = set(seeds)
        while True:
            before = len(found)
            self._taint(body, found, False, 0)
            if len(found) == before:
                return found

    def _taint(self, body: t.Body, found: set[str], under: bool, depth: int) -> None:
        for s in body:
            wet = under or any(self._depends(x, found, depth) for x in expressions(s))
            for expr in expressions(s):
                self._taint_calls(expr, found, under, depth)
            if wet:
                found |= assigned_by(s)
            for inner in _inside(s):
                self._taint(inner, found, wet if isinstance(s, t.If | t.While) else under, depth)

    def _taint_calls(self, expr: t.Expr, found: set[str], under: bool, depth: int) -> None:
        for call in _calls(expr):
            routine = self.file.routines.get(call.name)
            if routine is None or depth > 20:
                continue
            for arg, given in zip(routine.args, call.args, strict=False):
                if self._depends(given, found, depth):
                    found.add(arg)
            self._taint(routine.body, found, under, depth + 1)

    def _depends(self, expr: t.Expr, found: set[str], depth: int) -> bool:
        if any(n in found for n in names(expr)):
            return True
        return any(r.name in found for r in self._called(expr))

    def exposed(self, body: t.Body) -> set[str]:
        """Return the variables that may be read before they are assigned."""
        found: set[str] = set()
        self._expose(body, set(), found, 0)
        return found

    def surely(self, body: t.Body) -> set[str]:
        """Return the variables that statements assign whatever their conditions."""
        written: set[str] = set()
        self._expose(body, written, set(), 0)
        return written

    def _expose(self, body: t.Body, written: set[str], found: set[str], depth: int) -> None:
        for s in body:
            # The index of a COMPARTMENT is its own.
            known = {*written, s.index} if isinstance(s, t.Compartment | t.Diffusion) else written
            for expr in expressions(s):
                self._expose_in(expr, known, found, depth)
            match s:
                case t.Assign(target=target) if target.index is None:
                    written.add(target.id)
                case t.Assign(target=target):
                    written.add(target.id)
                case t.Local():
                    written |= {n for n, _ in s.names}
                case t.If():
                    ends = []
                    for inner in (*(b for _, b in s.branches), s.otherwise):
                        after = set(written)
                        self._expose(inner, after, found, depth)
                        ends.append(after)
                    written |= set.intersection(*ends)
                case t.From():
                    written.add(s.name)
                    self._expose(s.body, written, found, depth)
                case t.While():
                    self._expose(s.body, set(written), found, depth)
                case t.Reaction():
                    written |= {"f_flux", "b_flux"}

    def _expose_in(self, expr: t.Expr, written: set[str], found: set[str], depth: int) -> None:
        found |= set(names(expr)) - written
        for call in _calls(expr):
            routine = self.file.routines.get(call.name)
            if routine is None or depth > 20 or routine.kind not in ("FUNCTION", "PROCEDURE"):
                continue
            inside = {*written, *routine.args, routine.name}
            own = {*routine.args, routine.name, *_locals(routine.body)} - written
            self._expose(routine.body, inside, found, depth + 1)
            written |= inside - own


def _calls(expr: t.Expr) -> Iterator[t.Call]:
    return (x for x in t.walk(expr) if isinstance(x, t.Call))


def _locals(body: t.Body) -> set[str]:
    found: set[str] = set()
    for s in body:
        if isinstance(s, t.Local):
            found |= {n for n, _ in s.names}
        for inner in _inside(s):
            found |= _locals(inner)
    return found


def nested(body: t.Body) -> Iterator[t.Stmt]:
    """Yield the statements of a body with those inside others."""
    for s in body:
        yield s
        for inner in _inside(s):
            yield from nested(inner)


def _inside(s: t.Stmt) -> Iterator[t.Body]:
    match s:
        case t.If():
            for _, body in s.branches:
                yield body
            yield s.otherwise
        case t.From() | t.While():
            yield s.body


def expressions(s: t.Stmt) -> Iterator[t.Expr]:
    """Yield the expressions of a statement, without those of statements inside it."""
    match s:
        case t.Assign():
            yield s.value
            if s.target.index is not None:
                yield s.target.index
        case t.Rate():
            yield s.value
        case t.If():
            for condition, _ in s.branches:
                yield condition
        case t.From():
            yield from (s.first, s.last, s.step)
        case t.While():
            yield s.condition
        case t.Do():
            yield s.call
        case t.Reaction():
            yield s.forward
            if s.backward is not None:
                yield s.backward
            yield from (n for _, n in (*s.left, *s.right))
        case t.Conserve():
            yield s.total
        case t.Compartment():
            yield s.volume
        case t.Diffusion():
            yield s.coefficient
        case t.Equation():
            yield s.left
            yield s.right
        case t.Watch():
            yield from (s.condition, s.flag)


def assigned_by(s: t.Stmt) -> set[str]:
    """Return the variables that a statement itself assigns."""
    match s:
        case t.Assign():
            return {s.target.id}
        case t.Rate():
            return {s.state.id}
        case t.From():
            return {s.name}
        case t.Do(call=t.Call(name="state_discontinuity", args=(t.Name(id=name), _))):
            return {name}
        case t.Reaction():
            return {n.id for _, n in (*s.left, *s.right)} | {"f_flux", "b_flux"}
    return set()
