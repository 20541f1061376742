"""What becomes of a file: its parameters under their names here, its states, and how its blocks are solved."""

import keyword
from collections.abc import Iterable
from typing import Any, final

import equinox as eqx

from ...base.checks import is_finite
from ...mech.params import param
from . import tree as t
from .draws import CHANCE, SEED, Draws
from .evaluate import Scope
from .faults import AtLine
from .flow import Flow
from .kinetic import every, flat, is_linear
from .patterns import names
from .solving import Solver
from .units import unit_of

GIVEN = ("v", "t", "dt", "celsius", "diam", "area", "secondorder")
"""What surrounds a mechanism, declared or not."""
DEFAULTS = {"nai": 10.0, "nao": 140.0, "ki": 54.4, "ko": 2.5, "cai": 5e-5, "cao": 2.0}
"""Concentrations (mM) in NEURON where nobody says otherwise; 1 for any other ion."""


@final
class Design:
    """One file, looked at once. `taken` are names that no parameter may have."""

    def __init__(self, file: t.File, taken: Iterable[str]):
        self.file, self.flow = file, Flow(file)
        self.states = tuple(n for name, length in file.states.items() for n in flats(name, length))
        # NEURON solves a block whether or not the condition around its SOLVE holds.
        self.solves = tuple(s for s in every(file.breakpoint) if isinstance(s, t.Solve))
        self.after = without_solves(file.breakpoint)
        self.solver = Solver(file, {})
        self.routines = tuple(self.solver.routine(s) for s in self.solves)
        self.solved: t.Body = (*(s for r in self.routines for s in r.body), *file.after_solve)
        self.owned = self.flow.owned()
        self.notes = [(x.line, f"{x.text} is left out: nothing that runs here calls it") for x in file.loose]
        self.approximated = list(file.left_out)
        self.solver.is_linear = {r.name: self._is_linear(r) for r in file.routines.values()}
        self.solver.is_diagonal = {r.name: self._is_diagonal(r) for r in file.routines.values()}
        self.parameters = self._parameters(set(taken))

    def _is_linear(self, routine: t.Routine) -> bool:
        if routine.kind == "KINETIC":
            return is_linear(routine.body, set(self.file.states))
        if routine.kind != "DERIVATIVE":
            return True
        wet = self.flow.tainted(routine.body, self.file.states)
        return all(self.is_sum(s.value, wet) for s in every(routine.body) if isinstance(s, t.Rate))

    def _is_diagonal(self, routine: t.Routine) -> bool:
        """Whether every equation, as it is spelt, is linear in its own state: NEURON's cnexp asks no more."""
        rates = [s for s in every(routine.body) if isinstance(s, t.Rate)]
        return all(self.is_sum(s.value, {s.state.id}, spelt=True) for s in rates)

    def is_sum(self, expr: t.Expr, wet: set[str], spelt: bool = False) -> bool:
        """Whether an expression is linear in what depends on the states; `spelt`: in what it names itself."""

        def depends(expr: t.Expr) -> bool:
            return bool(wet.intersection(names(expr))) if spelt else self.depends(expr, wet)

        if not depends(expr):
            return True
        match expr:
            case t.Name():
                return expr.id in self.file.states
            case t.Unary(op="-"):
                return self.is_sum(expr.x, wet, spelt)
            case t.Binary(op="+" | "-"):
                return self.is_sum(expr.a, wet, spelt) and self.is_sum(expr.b, wet, spelt)
            case t.Binary(op="*"):
                both = depends(expr.a) and depends(expr.b)
                return not both and self.is_sum(expr.a, wet, spelt) and self.is_sum(expr.b, wet, spelt)
            case t.Binary(op="/"):
                return not depends(expr.b) and self.is_sum(expr.a, wet, spelt)
        return False

    def depends(self, expr: t.Expr, wet: set[str]) -> bool:
        """Whether an expression, or a function that it calls, reads any of these variables."""
        return bool(self.flow.read((t.Assign(t.Name("", None, 0), expr, 0),)) & wet)

    def _parameters(self, taken: set[str]) -> dict[str, str]:
        """Return NMODL name → name here of every parameter."""
        ions = {n for ion in self.file.ions for n in (*ion.reads, *ion.writes)}
        # What blocks assign is a parameter all the same where it is read before.
        first = self.flow.exposed((*self.file.initial, *self.solved, *self.after))
        hidden = {*ions, *GIVEN, *self.file.states, *self.file.pointers, *(self.owned - first)}
        found: dict[str, str] = {}
        for name in self.file.parameters:
            if name in hidden:
                continue
            own = name.lstrip("_") or "p"
            while own in taken or keyword.iskeyword(own) or own in found.values() or own in self.states:
                own += "_"
            if own != name or keyword.iskeyword(name[:-1]):
                self.notes.append(
                    (self.file.parameters[name].line, f"the parameter {_spelt(name)} is called {own} here")
                )
            found[name] = own
        return found

    def fields(self) -> dict[str, Any]:
        """Return the parameters as fields of a class, with their defaults and units, and the seed where it draws."""
        found = {own: _field(self.file.parameters[name], own) for name, own in self.parameters.items()}
        if self.draws:
            found[SEED] = eqx.field(static=True, default=0)
            said = f"random numbers are those of JAX for {SEED}=0, not of NEURON's streams"
            if all(said != text for _, text in self.approximated):
                self.approximated.append((1, said))
        return found

    @property
    def draws(self) -> bool:
        """Whether blocks draw random numbers."""
        received = () if self.file.receive is None else self.file.receive.body
        blocks = (*self.file.initial, *self.file.receive_initial, *received, *self.solved, *self.after)
        return CHANCE in self.flow.read(blocks)

    def scope(self, values: Any, *, method: int = 0, shape: tuple[int, ...] = (), **given: Any) -> Scope:
        """Return the variables of the mechanism before anything ran; `values` has the parameters as attributes.

        Every `method` that draws has random numbers of its own, of this `shape`.
        """
        file = self.file
        if CHANCE in given:
            given[CHANCE] = Draws(values.seed, given[CHANCE], method, shape)
        shared: dict[str, Any] = {**file.constants, "usetable": float(file.usetable)}
        for name, length in file.assigned.items():
            if name not in GIVEN:
                shared[name] = [0.0] * length if length else 0.0
        for name in (*file.nonspecific, *file.electrode, *(n for ion in file.ions for n in ion.writes)):
            shared.setdefault(name, 0.0)
        for name, p in file.parameters.items():
            if name in self.parameters:
                x: Any = getattr(values, self.parameters[name])
            elif name in GIVEN:
                continue
            else:
                x = p.value
            shared[name] = [x] * p.length if p.length else x
        for name, length in file.states.items():
            start = shared.get(f"{name}0", 0.0)
            shared[name] = [start] * length if length else start
        shared |= given
        return Scope(shared)


def without_solves(body: t.Body) -> t.Body:
    """Return statements without the SOLVEs among them."""
    found: list[t.Stmt] = []
    for s in body:
        match s:
            case t.Solve():
                continue
            case t.If():
                branches = tuple((condition, without_solves(inner)) for condition, inner in s.branches)
                found.append(t.If(branches, without_solves(s.otherwise), s.line))
            case _:
                found.append(s)
    return tuple(found)


def _spelt(name: str) -> str:
    """Return a name as the file has it."""
    return name[:-1] if keyword.iskeyword(name[:-1]) else name


def flats(name: str, length: int) -> tuple[str, ...]:
    """Return the names of the elements of an array, or the name itself."""
    return tuple(flat(name, k) for k in range(length)) if length else (name,)


def _field(p: t.Parameter, own: str) -> Any:
    unit = unit_of(p.unit)
    if not is_finite(p.value):
        raise AtLine(p.line, f"{p.name} = {p.value} is not finite")
    # A conductance may start below zero in a file that says so.
    low = None if p.value >= 0 else min(1e3 * p.value, -1e3)
    return param(p.value, unit, lo=low)
