"""From a program to a `File`: what it declares, and its blocks."""

from typing import Any

from . import tree as t
from .convert import C_CODE, Converter, kind, number, word
from .faults import AtLine
from .parse import parsed, speller
from .returns import without_returns
from .source import Source
from .tables import take_choices
from .units import constant
from .verbatim import drawn, is_trivial

_ROUTINES = {
    "FunctionBlock": "FUNCTION",
    "ProcedureBlock": "PROCEDURE",
    "DerivativeBlock": "DERIVATIVE",
    "KineticBlock": "KINETIC",
    "LinearBlock": "LINEAR",
    "NonLinearBlock": "NONLINEAR",
}
_REFUSED = {
    "DiscreteBlock": "DISCRETE",
    "CvodeBlock": "CVODE",
    "ConstructorBlock": "CONSTRUCTOR",
    "DestructorBlock": "DESTRUCTOR",
}
LONGEST = 4096
"""No array has more elements: each is a value of its own here."""
_SILENT = ("Model", "LineComment", "BlockComment", "UnitState", "Define", "IndependentBlock")


def file_of(source: Source) -> t.File:
    """Return what a text says; raises `ModError`."""
    try:
        walk = Converter(source, speller())
        file = t.File()
        for node in parsed(source).blocks:
            _take(file, walk, node)
        _check(file, walk)
        said = "the Vectors that hoc may give to this code are not there: it is left out"
        file.left_out += [(line, said) for line in walk.skipped]
        _join(file)
        take_choices(file, source)
        return file
    except AtLine as error:
        raise source.fault(error) from None


def _take(file: t.File, walk: Converter, node: Any) -> None:
    name = kind(node)
    match name:
        case "NeuronBlock":
            for statement in node.statement_block.statements:
                _neuron(file, walk, statement)
        case "UnitBlock":
            for unit in node.definitions:
                if kind(unit) == "FactorDef":
                    _factor(file, walk, unit)
        case "ConstantBlock" | "ParamBlock" | "AssignedBlock" | "StateBlock":
            _declared(file, walk, node, name)
        case "LocalListStatement":
            for variable in node.variables:
                declared, length = walk.declared(variable.name)
                file.assigned[declared] = length
        case "InitialBlock":
            file.initial += without_returns(walk.body(node.statement_block))
        case "BreakpointBlock":
            file.breakpoint += without_returns(walk.body(node.statement_block))
        case "Verbatim":
            if not is_trivial(word(node.statement)):
                file.loose.append(t.Foreign(f"{C_CODE} outside of blocks", walk.meet("VERBATIM")))
        case "ConstructorBlock" | "DestructorBlock":
            line, body = walk.meet(_REFUSED[name]), walk.body(node.statement_block)
            idle = all(isinstance(s, t.Foreign) for s in body)
            (file.loose if idle else file.refused).append(t.Foreign(_REFUSED[name], line))
        case _ if name in _ROUTINES:
            _routine(file, walk, node, _ROUTINES[name])
        case "FunctionTableBlock":
            file.tables[walk.named(node.name)] = None
            if len(node.parameters) != 1:
                raise AtLine(walk.line, "a FUNCTION_TABLE of several arguments is not taken over")
        case "BeforeBlock" | "AfterBlock":
            _around(file, walk, node.bablock, name == "BeforeBlock")
        case "NetReceiveBlock":
            _receive(file, walk, node)
        case _ if name not in _SILENT:
            file.refused.append(t.Foreign(_REFUSED.get(name, name), walk.line))


def _declared(file: t.File, walk: Converter, node: Any, name: str) -> None:
    """Take a block of declarations."""
    into = file.assigned if name == "AssignedBlock" else file.states
    entries = node.definitions if name in ("AssignedBlock", "StateBlock") else node.statements
    for entry in entries:
        match kind(entry):
            case "ConstantStatement":
                file.constants[walk.named(entry.constant.name)] = number(entry.constant.value)
            case "ParamAssign":
                _parameter(file, walk, entry)
            case "AssignedDefinition":
                declared = walk.named(entry.name)
                into[declared] = 0 if entry.length is None else int(number(entry.length))
                file.units[declared] = "" if entry.unit is None else word(entry.unit)


def _around(file: t.File, walk: Converter, block: Any, is_before: bool) -> None:
    """Take a BEFORE or AFTER block: NEURON runs it just before or after the block that it names."""
    where = walk.spelt(block.type).strip()
    word = "BEFORE" if is_before else "AFTER"
    line = walk.meet(word)
    body = walk.body(block.statement_block)
    match word, where:
        case "BEFORE", "INITIAL":
            file.before_initial += body
        case "AFTER", "INITIAL":
            file.after_initial += body
        case "BEFORE", "BREAKPOINT":
            file.before_breakpoint += body
        case "AFTER", "SOLVE":
            file.after_solve += body
        case _:
            file.before_step += body
            if (word, where) != ("BEFORE", "STEP"):
                raise AtLine(line, f"{word} {where} is not taken over")


def _neuron(file: t.File, walk: Converter, node: Any) -> None:
    match kind(node):
        case "Suffix":
            file.kind = word(node.type)
            file.suffix = walk.named(node.name)
        case "Useion":
            name, line = walk.named(node.name), walk.line
            reads = tuple(walk.named(x.name) for x in node.readlist)
            writes = tuple(walk.named(x.name) for x in node.writelist)
            valence = None if node.valence is None else round(number(node.valence.value))
            file.ions.append(t.UsedIon(name, reads, writes, valence, line))
        case "Nonspecific":
            file.nonspecific += [walk.named(x.name) for x in node.currents]
        case "ElectrodeCurrent":
            file.electrode += [walk.named(x.name) for x in node.currents]
        case "Range":
            file.ranges += [walk.named(x.name) for x in node.variables]
        case "Global":
            for x in node.variables:
                walk.named(x.name)
        case "Pointer" | "BbcorePointer" | "External":
            file.pointers += [walk.named(x.name) for x in node.variables]
        case "RandomVarList":
            file.randoms += [walk.named(x.name) for x in node.variables]


def _factor(file: t.File, walk: Converter, node: Any) -> None:
    name = walk.named(node.name)
    if node.value is not None:
        file.constants[name] = number(node.value)
        return
    of, into = word(node.unit1), "" if node.unit2 is None else word(node.unit2)
    value = constant(of, into)
    if value is None:
        raise AtLine(
            walk.line, f"{name} = ({of}) ({into}) is no unit or constant that is known; write its number"
        )
    file.constants[name] = value


def _parameter(file: t.File, walk: Converter, node: Any) -> None:
    name, length = walk.declared(node.name)
    line = walk.line
    value = 0.0 if node.value is None else number(node.value)
    unit = "" if node.unit is None else word(node.unit)
    file.parameters[name] = t.Parameter(name, value, unit, length, line)
    file.units[name] = unit


def _routine(file: t.File, walk: Converter, node: Any, what: str) -> None:
    name, line = walk.named(node.name), walk.line
    args = tuple(walk.named(x.name) for x in node.parameters) if what in ("FUNCTION", "PROCEDURE") else ()
    if name in file.routines:
        raise AtLine(line, f"'{name}' is there twice; rename one")
    code = "\n".join(word(s.statement) for s in node.statement_block.statements if kind(s) == "Verbatim")
    if what == "FUNCTION" and (random := drawn(name, code, len(args))):
        body = _drawing(name, random, args, line)
        file.routines[name] = t.Routine(what, name, args, body, line)
        return
    walk.function = name if what == "FUNCTION" else ""
    whole = without_returns(walk.body(node.statement_block))
    walk.function = ""
    table = next((s for s in whole if isinstance(s, t.Table)), None)
    body = tuple(s for s in whole if not isinstance(s, t.Table))
    file.routines[name] = t.Routine(what, name, args, body, line, table)


def _drawing(name: str, random: str, args: tuple[str, ...], line: int) -> t.Body:
    """Return the body of a FUNCTION that gives a random number."""
    call = t.Call(random, tuple(t.Name(x, None, line) for x in args), line)
    return (t.Assign(t.Name(name, None, line), call, line),)


def _receive(file: t.File, walk: Converter, node: Any) -> None:
    line = walk.line
    args = tuple(walk.named(x.name) for x in node.parameters)
    body: list[t.Stmt] = []
    for statement in node.statement_block.statements:
        if kind(statement) == "ExpressionStatement" and kind(statement.expression) == "InitialBlock":
            file.receive_initial += walk.body(statement.expression.statement_block)
        else:
            body += walk.statement(statement)
    file.receive = t.Routine("NET_RECEIVE", "NET_RECEIVE", args, without_returns(tuple(body)), line)


def _join(file: t.File) -> None:
    """Put what runs before and after blocks in its place."""
    file.initial = (*file.before_initial, *file.initial, *file.after_initial)
    file.breakpoint = (*file.before_step, *file.before_breakpoint, *file.breakpoint)


def _check(file: t.File, walk: Converter) -> None:
    if not file.suffix:
        raise AtLine(
            1, "no NEURON block with a SUFFIX, POINT_PROCESS or ARTIFICIAL_CELL; this is no mechanism"
        )
    if not (file.breakpoint or file.initial or file.receive or file.states):
        # Such files bring commands for hoc; `SUFFIX nothing` is no mechanism in NEURON either.
        raise AtLine(
            1, f"SUFFIX {file.suffix} has no block that runs in a simulation; there is nothing to paint"
        )
    for name, length in (*file.assigned.items(), *file.states.items()):
        if not 0 <= length <= LONGEST:
            raise AtLine(1, f"'{name}[{length}]' is too long; at most {LONGEST:,}")
