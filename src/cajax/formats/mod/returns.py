"""`return` of C, which NMODL lacks, written with IF: what follows runs where nothing has returned."""

from . import tree as t
from .faults import AtLine


def without_returns(body: t.Body) -> t.Body:
    """Return a block of the same effect that has no `Return`; raises `AtLine` for one inside a loop."""
    found: list[t.Stmt] = []
    for k, s in enumerate(body):
        match s:
            case t.Return():
                return tuple(found)
            case t.If() if returns(s):
                rest = body[k + 1 :]
                branches = tuple((test, without_returns((*inner, *rest))) for test, inner in s.branches)
                found.append(t.If(branches, without_returns((*s.otherwise, *rest)), s.line))
                return tuple(found)
            case t.From() | t.While() if any(returns(x) for x in s.body):
                raise AtLine(s.line, "a `return` inside a loop is not taken over")
        found.append(s)
    return tuple(found)


def returns(s: t.Stmt) -> bool:
    """Whether a statement may return."""
    match s:
        case t.Return():
            return True
        case t.If():
            return any(returns(x) for body in (*(b for _, b in s.branches), s.otherwise) for x in body)
        case t.From() | t.While():
            return any(returns(x) for x in s.body)
    return False
