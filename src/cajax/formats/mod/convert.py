"""From the parser's tree to ours: expressions and statements, each with its line.

The parser keeps no lines in reach. Its nodes come in the order of the text, so the words of the text, walked along with
them, give the lines back.
"""

import keyword
from collections.abc import Callable
from typing import Any, final

from . import tree as t
from .faults import AtLine, ModError
from .parse import parsed
from .source import Source, text_source, tokens
from .verbatim import RETURN, as_nmodl, is_trivial, of_hoc_vectors, open_braces

_SAME = {
    "BOP_ADDITION": "+",
    "BOP_SUBTRACTION": "-",
    "BOP_MULTIPLICATION": "*",
    "BOP_DIVISION": "/",
    "BOP_POWER": "^",
}
_COMPARED = {
    "BOP_GREATER": ">",
    "BOP_LESS": "<",
    "BOP_GREATER_EQUAL": ">=",
    "BOP_LESS_EQUAL": "<=",
    "BOP_EXACT_EQUAL": "==",
    "BOP_NOT_EQUAL": "!=",
    "BOP_AND": "&&",
    "BOP_OR": "||",
}
OPERATORS = {**_SAME, **_COMPARED}
C_CODE = "C code between VERBATIM and ENDVERBATIM"
_SILENT = ("printf", "print", "fprintf", "prterr", "verify")


def kind(node: Any) -> str:
    """Return the name of a node's class."""
    return type(node).__name__


def word(node: Any) -> str:
    """Return the text of a name, a string or a unit; a word of Python is written with a `_`."""
    while not isinstance(node, str):
        match kind(node):
            case "Name" | "String" | "PrimeName" | "Float" | "Double":
                node = node.value
            case _:
                node = node.name
    return f"{node}_" if keyword.iskeyword(node) else node


def number(node: Any) -> float:
    """Return the value of a literal number, with its sign."""
    match kind(node):
        case "UnaryExpression":
            return -number(node.expression)
        case "DoubleUnit" | "Integer" | "Double" | "Float":
            value = node.value
            return number(value) if not isinstance(value, str | int | float) else float(value)
        case "WrappedExpression" | "ParenExpression":
            return number(node.expression)
    raise ValueError


@final
class Converter:
    """Walks a program and its text together."""

    def __init__(self, source: Source, spelt: Callable[[Any], str]):
        self.tokens, self.at, self.spelt = tokens(source.text), 0, spelt
        self.skipped: list[int] = []
        self.function = ""  # the FUNCTION that the walk is in

    @property
    def line(self) -> int:
        """The line that the walk is on."""
        return self.tokens[max(self.at - 1, 0)][1] if self.tokens else 1

    def meet(self, name: str) -> int:
        """Walk on to the next place of a word, and return its line."""
        spelt = name[:-1] if keyword.iskeyword(name[:-1]) else name
        for k in range(self.at, len(self.tokens)):
            if self.tokens[k][0] == spelt:
                self.at = k + 1
                return self.tokens[k][1]
        return self.line

    def named(self, node: Any) -> str:
        """Return a name, having walked on to it."""
        found = word(node)
        self.meet(found)
        return found

    def expression(self, node: Any) -> t.Expr:
        match kind(node):
            case "WrappedExpression" | "ParenExpression":
                return self.expression(node.expression)
            case "Integer" | "Double" | "Float" | "DoubleUnit":
                return t.Number(number(node))
            case "VarName" | "Name" | "IndexedName" | "PrimeName" | "ReactVarName":
                return self.variable(node)
            case "BinaryExpression":
                return self._binary(node)
            case "UnaryExpression":
                op = "!" if "!" in self.spelt(node.op) else "-"
                return t.Unary(op, self.expression(node.expression), self.line)
            case "FunctionCall":
                return self.call(node)
        raise AtLine(self.line, f"'{self.spelt(node)[:60]}' is no expression that is taken over")

    def _binary(self, node: Any) -> t.Binary:
        a = self.expression(node.lhs)
        line = self.line
        op = OPERATORS.get(node.op.value.name)
        if op is None:
            raise AtLine(line, f"the operator '{self.spelt(node.op)}' is not taken over here")
        return t.Binary(op, a, self.expression(node.rhs), line)

    def call(self, node: Any) -> t.Call:
        name = word(node.name)
        line = self.meet(name)
        # What is printed is not computed: its text need not be understood.
        args = (
            ()
            if name in _SILENT
            else tuple(self.expression(x) for x in node.arguments if kind(x) != "String")
        )
        return t.Call(name, args, line)

    def variable(self, node: Any) -> t.Name:
        if kind(node) == "VarName":
            if node.at is not None:
                raise AtLine(
                    self.line, f"'{self.spelt(node)}' reads the value of another step; that is not taken over"
                )
            index = None if node.index is None else node.index
            inner = self.variable(node.name)
            return inner if index is None else t.Name(inner.id, self.expression(index), inner.line)
        if kind(node) == "ReactVarName":
            return self.variable(node.name)
        if kind(node) == "IndexedName":
            name = word(node.name)
            line = self.meet(name)
            return t.Name(name, self.expression(node.length), line)
        name = word(node)
        return t.Name(name, None, self.meet(name))

    def body(self, block: Any) -> t.Body:
        """Return the statements of a block."""
        found: list[t.Stmt] = []
        left = list(block.statements)
        while left:
            node = left.pop(0)
            if kind(node) == "Verbatim" and of_hoc_vectors(word(node.statement)):
                self._skip(node, left)
            else:
                found += self.statement(node)
        return tuple(found)

    def _skip(self, node: Any, left: list[Any]) -> None:
        """Leave out C code that begins a block for the Vectors that hoc may have given, up to where the block ends."""
        self.skipped.append(self.meet("VERBATIM"))
        depth = open_braces(word(node.statement))
        while depth > 0 and left:
            other = left.pop(0)
            if kind(other) == "Verbatim":
                self.meet("VERBATIM")
                depth += open_braces(word(other.statement))

    def statement(self, node: Any) -> list[t.Stmt]:
        match kind(node):
            case "ExpressionStatement" | "ProtectStatement":
                return self._expressed(node.expression)
            case "IfStatement":
                return [self._branched(node)]
            case "FromStatement":
                name, line = self.named(node.name), self.line
                first, last = self.expression(getattr(node, "from")), self.expression(node.to)
                step = t.Number(1.0) if node.increment is None else self.expression(node.increment)
                return [t.From(name, first, last, step, self.body(node.statement_block), line)]
            case "WhileStatement":
                condition = self.expression(node.condition)
                return [t.While(condition, self.body(node.statement_block), self.line)]
            case "LocalListStatement":
                return [t.Local(tuple(self.declared(x.name) for x in node.variables), self.line)]
            case "ReactionStatement":
                return [self._reaction(node)]
            case "Conserve":
                terms = self.terms(node.react)
                return [t.Conserve(terms, self.expression(node.expr), self.line)]
            case "Compartment":
                index = self.named(node.index_name) if node.index_name is not None else ""
                volume = self.expression(node.volume)
                species = tuple(self.named(x) for x in node.species)
                return [t.Compartment(index, volume, species, self.line)]
            case "LonDiffuse":
                index = self.named(node.index_name) if node.index_name is not None else ""
                rate = self.expression(node.rate)
                species = tuple(self.named(x) for x in node.species)
                return [t.Diffusion(index, rate, species, self.line)]
            case "TableStatement":
                names = tuple(self.named(x) for x in node.table_vars)
                first, last = self.expression(getattr(node, "from")), self.expression(node.to)
                return [t.Table(names, first, last, int(number(getattr(node, "with"))), self.line)]
            case "UnitState" | "LineComment" | "BlockComment" | "MutexLock" | "MutexUnlock":
                return []
            case "ConductanceHint":
                return []
            case "WatchStatement":
                line = self.meet("WATCH")
                return [
                    t.Watch(self.expression(x.expression), self.expression(x.value), line)
                    for x in node.statements
                ]
            case "Verbatim":
                return self.verbatim(node)
            case "StatementBlock":
                return list(self.body(node))
        return [t.Foreign(_foreign(node), self.line)]

    def verbatim(self, node: Any) -> list[t.Stmt]:
        """Return nothing for C code that does nothing, what it says where that is NMODL, else that it is there."""
        line, code = self.meet("VERBATIM"), word(node.statement)
        if is_trivial(code):
            return []
        text = as_nmodl(code, self.function)
        return [t.Foreign(C_CODE, line)] if text is None else self._read(text, line)

    def _read(self, text: str, line: int) -> list[t.Stmt]:
        """Return the statements of a text that stands at a line."""
        source = text_source("\n" * (line - 1) + f"PROCEDURE p() {{ {' '.join(text.split())} }}", "")
        try:
            block = parsed(source).blocks[0]
            return list(Converter(source, self.spelt).body(block.statement_block))
        except (ModError, AtLine):
            return [t.Foreign(C_CODE, line)]

    def declared(self, node: Any) -> tuple[str, int]:
        """Return the name and the length of a declared variable, 0 for a single value."""
        if kind(node) == "IndexedName":
            return self.named(node.name), int(number(node.length))
        return self.named(node), 0

    def _expressed(self, node: Any) -> list[t.Stmt]:
        match kind(node):
            case "WrappedExpression" | "ParenExpression":
                return self._expressed(node.expression)
            case "FunctionCall":
                call = self.call(node)
                if call.name == RETURN:
                    return [t.Return(call.line)]
                return [] if call.name in _SILENT else [t.Do(call, call.line)]
            case "SolveBlock":
                method = word(node.method) if node.method is not None else ""
                steady = word(node.steadystate) if node.steadystate is not None else ""
                name = self.named(node.block_name)
                return [t.Solve(name, method or steady, bool(steady), self.line)]
            case "DiffEqExpression":
                state = self.variable(node.expression.lhs)
                return [t.Rate(state, self.expression(node.expression.rhs), state.line)]
            case "LinEquation" | "NonLinEquation":
                left = self.expression(node.lhs)
                return [t.Equation(left, self.expression(node.rhs), self.line)]
            case "BinaryExpression" if node.op.value.name == "BOP_ASSIGN":
                if kind(node.lhs) == "VarName" and kind(node.lhs.name) == "PrimeName":
                    state = self.variable(node.lhs)
                    return [t.Rate(state, self.expression(node.rhs), state.line)]
                target = self.variable(node.lhs)
                return [t.Assign(target, self.expression(node.rhs), target.line)]
            case "VarName" | "Name" | "Double" | "Integer" | "BinaryExpression" | "UnaryExpression":
                self.expression(node)
                return []  # an expression alone does nothing
        return [t.Foreign(_foreign(node), self.line)]

    def _branched(self, node: Any) -> t.If:
        condition, line = self.expression(node.condition), self.line
        branches = [(condition, self.body(node.statement_block))]
        for other in node.elseifs:
            condition = self.expression(other.condition)
            branches.append((condition, self.body(other.statement_block)))
        otherwise = () if node.elses is None else self.body(node.elses.statement_block)
        return t.If(tuple(branches), otherwise, line)

    def terms(self, node: Any) -> tuple[tuple[int, t.Name], ...]:
        """Return the species of one side of a reaction with their counts."""
        if node is None:
            return ()
        match kind(node):
            case "BinaryExpression":
                return (*self.terms(node.lhs), *self.terms(node.rhs))
            case "ReactVarName":
                count = 1 if node.value is None else int(number(node.value))
                return ((count, self.variable(node.name)),)
            case "VarName" | "Name":
                return ((1, self.variable(node)),)
            case "WrappedExpression" | "ParenExpression":
                return self.terms(node.expression)
        raise AtLine(self.line, f"'{self.spelt(node)[:60]}' is no sum of species")

    def _reaction(self, node: Any) -> t.Reaction:
        left = self.terms(node.reaction1)
        line = self.line
        op = self.spelt(node.op).strip()
        right = self.terms(node.reaction2)
        forward = self.expression(node.expression1)
        backward = None if node.expression2 is None else self.expression(node.expression2)
        return t.Reaction(left, op, right, forward, backward, line)


def _foreign(node: Any) -> str:
    names = {
        "ForNetcon": "FOR_NETCONS",
        "LagStatement": "LAG",
        "InitialBlock": "an INITIAL block here",
    }
    return names.get(kind(node), kind(node))
