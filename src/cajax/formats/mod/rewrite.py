"""What a file says in NEURON's terms, said in plain ones: `at_time`, and POINTERs."""

import dataclasses
import re
from collections.abc import Callable, Iterator
from typing import Any

from . import tree as t
from .flow import expressions, nested

VOLTAGES = (
    "pre",
    "vpre",
    "v_pre",
    "vgap",
    "v_gap",
    "vgj",
    "v2",
    "vp",
    "vpeer",
    "v_peer",
    "vother",
    "preactiv",
)
"""Names by which files call the voltage of another cell."""


def plain(file: t.File) -> None:
    """Replace calls that are comparisons in a run of fixed steps."""
    file.initial, file.breakpoint = _mapped(file.initial, _call), _mapped(file.breakpoint, _call)
    file.after_solve = _mapped(file.after_solve, _call)
    file.receive_initial = _mapped(file.receive_initial, _call)
    file.receive = _mapped(file.receive, _call)
    file.routines = {name: _mapped(routine, _call) for name, routine in file.routines.items()}


def voltage_pointer(file: t.File) -> str | None:
    """Return the POINTER that stands for the voltage of another cell, None where none does."""
    for name in file.pointers:
        unit = file.units.get(name, "")
        if name.lower() in VOLTAGES or unit in ("mV", "millivolt"):
            return name
    if len(file.pointers) == 1 and any(_beside(x, file.pointers[0]) for x in _expressions(file)):
        return file.pointers[0]
    return None


def pointers_as_parameters(file: t.File, but: str | None = None) -> list[tuple[int, str]]:
    """Make parameters of the POINTERs of a file, all but one; return what to say of each, with the line."""
    said: list[tuple[int, str]] = []
    for name in [n for n in file.pointers if n != but]:
        line = next((k for k, text in sorted(file.lines.items()) if re.search(rf"\b{name}\b", text)), 1)
        known = file.parameters.pop(name, None)
        file.assigned.pop(name, None)
        value = 0.0 if known is None else known.value
        file.parameters[name] = t.Parameter(name, value, file.units.get(name, ""), 0, line)
        file.pointers.remove(name)
        said.append((line, f"POINTER {name} is a parameter here: constant, {value:g} unless it is given"))
    return said


def _call(node: Any) -> Any:
    match node:
        case t.Call(name="at_time", args=(*_, when)):
            # NEURON's rule for fixed steps: t − dt < when − 1e-11 ms ≤ t.
            line, reached = node.line, t.Binary("-", when, t.Number(1e-11), node.line)
            time, dt = t.Name("t", None, line), t.Name("dt", None, line)
            begun = t.Binary("<=", reached, time, line)
            return t.Binary("&&", begun, t.Binary(">", reached, t.Binary("-", time, dt, line), line), line)
        case t.Do(call=call) if not isinstance(call, t.Call):
            return t.Local((), node.line)  # asked, and not used
        case t.Call(name="nrn_pointing"):
            return t.Number(1.0)
        case t.Do(call=call) if not isinstance(call, t.Call):
            return t.Local((), node.line)  # asked, and the answer not used
    return node


def _mapped(node: Any, change: Callable[[Any], Any]) -> Any:
    """Return a tree with every node changed, from the leaves up."""
    if isinstance(node, tuple):
        return tuple(_mapped(x, change) for x in node)
    if not dataclasses.is_dataclass(node) or isinstance(node, type):
        return node
    parts = {f.name: getattr(node, f.name) for f in dataclasses.fields(node)}
    changed = {name: _mapped(x, change) for name, x in parts.items()}
    if any(changed[name] is not x and changed[name] != x for name, x in parts.items()):
        node = dataclasses.replace(node, **changed)
    return change(node)


def _expressions(file: t.File) -> Iterator[t.Expr]:
    bodies = [file.initial, file.breakpoint, *(r.body for r in file.routines.values())]
    for body in bodies:
        for s in nested(body):
            for expr in expressions(s):
                yield from t.walk(expr)


def _beside(expr: t.Expr, name: str) -> bool:
    """Whether an expression compares a variable with a threshold, or takes the difference to the voltage."""
    if not isinstance(expr, t.Binary) or expr.op not in ("-", ">", "<", ">=", "<="):
        return False
    ids = [x.id for x in (expr.a, expr.b) if isinstance(x, t.Name)]
    return name in ids and any(n == "v" or "thresh" in n.lower() for n in ids if n != name)
