"""What an NMODL file says, as plain frozen data: expressions, statements, blocks, declarations, each with its line."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import final


@final
@dataclass(frozen=True, eq=False)
class Number:
    """A literal number; its unit is a remark."""

    value: float


@final
@dataclass(frozen=True, eq=False)
class Name:
    """A variable, or an element of an array."""

    id: str
    index: "Expr | None"
    line: int


@final
@dataclass(frozen=True, eq=False)
class Unary:
    """`-x` or `!x`."""

    op: str
    x: "Expr"
    line: int


@final
@dataclass(frozen=True, eq=False)
class Binary:
    """Arithmetic, a comparison, `&&` or `||`."""

    op: str
    a: "Expr"
    b: "Expr"
    line: int


@final
@dataclass(frozen=True, eq=False)
class Call:
    """A call of a built-in function, or of a FUNCTION or PROCEDURE of the file."""

    name: str
    args: "tuple[Expr, ...]"
    line: int


Expr = Number | Name | Unary | Binary | Call


def walk(expr: Expr) -> Iterator[Expr]:
    """Yield an expression and all that it is made of, parts first; called functions are not looked into."""
    match expr:
        case Name(index=Number() | Name() | Unary() | Binary() | Call() as index):
            yield from walk(index)
        case Unary():
            yield from walk(expr.x)
        case Binary():
            yield from walk(expr.a)
            yield from walk(expr.b)
        case Call():
            for x in expr.args:
                yield from walk(x)
    yield expr


@final
@dataclass(frozen=True, eq=False)
class Assign:
    """`x = value`."""

    target: Name
    value: Expr
    line: int


@final
@dataclass(frozen=True, eq=False)
class Rate:
    """`x' = value`."""

    state: Name
    value: Expr
    line: int


@final
@dataclass(frozen=True, eq=False)
class If:
    """Branches `(condition, statements)` in order, then what holds where none does."""

    branches: "tuple[tuple[Expr, tuple[Stmt, ...]], ...]"
    otherwise: "tuple[Stmt, ...]"
    line: int


@final
@dataclass(frozen=True, eq=False)
class From:
    """`FROM i = first TO last BY step`."""

    name: str
    first: Expr
    last: Expr
    step: Expr
    body: "tuple[Stmt, ...]"
    line: int


@final
@dataclass(frozen=True, eq=False)
class While:
    """`WHILE (condition) { … }`."""

    condition: Expr
    body: "tuple[Stmt, ...]"
    line: int


@final
@dataclass(frozen=True, eq=False)
class Do:
    """A call for its effect."""

    call: Call
    line: int


@final
@dataclass(frozen=True, eq=False)
class Solve:
    """`SOLVE block METHOD method`, or `SOLVE block STEADYSTATE method`."""

    block: str
    method: str
    steady: bool
    line: int


@final
@dataclass(frozen=True, eq=False)
class Reaction:
    """`~ left <-> right (forward, backward)`, `~ left -> (forward)`, `~ left << (forward)`; counts with their names."""

    left: tuple[tuple[int, Name], ...]
    op: str
    right: tuple[tuple[int, Name], ...]
    forward: Expr
    backward: Expr | None
    line: int


@final
@dataclass(frozen=True, eq=False)
class Conserve:
    """`CONSERVE sum = total`."""

    terms: tuple[tuple[int, Name], ...]
    total: Expr
    line: int


@final
@dataclass(frozen=True, eq=False)
class Compartment:
    """`COMPARTMENT i, volume {species}`."""

    index: str
    volume: Expr
    species: tuple[str, ...]
    line: int


@final
@dataclass(frozen=True, eq=False)
class Equation:
    """`~ left = right` of a LINEAR or NONLINEAR block."""

    left: Expr
    right: Expr
    line: int


@final
@dataclass(frozen=True, eq=False)
class Watch:
    """`WATCH (condition) flag`."""

    condition: Expr
    flag: Expr
    line: int


@final
@dataclass(frozen=True, eq=False)
class Local:
    """`LOCAL a, b[3]`: names with lengths, 0 for a single value."""

    names: tuple[tuple[str, int], ...]
    line: int


@final
@dataclass(frozen=True, eq=False)
class Foreign:
    """What is not taken over, such as C code; `text` says what."""

    text: str
    line: int


@final
@dataclass(frozen=True, eq=False)
class Return:
    """`return` of C code."""

    line: int


@final
@dataclass(frozen=True, eq=False)
class Diffusion:
    """`LONGITUDINAL_DIFFUSION i, coefficient {species}`."""

    index: str
    coefficient: Expr
    species: tuple[str, ...]
    line: int


@final
@dataclass(frozen=True, eq=False)
class Table:
    """`TABLE names DEPEND … FROM first TO last WITH count`; no names for a FUNCTION itself."""

    names: tuple[str, ...]
    first: Expr
    last: Expr
    count: int
    line: int


Stmt = (
    Assign
    | Rate
    | If
    | From
    | While
    | Do
    | Solve
    | Reaction
    | Conserve
    | Compartment
    | Equation
    | Diffusion
    | Table
    | Watch
    | Local
    | Foreign
    | Return
)
Body = tuple[Stmt, ...]


@final
@dataclass(frozen=True, eq=False)
class Routine:
    """A FUNCTION, PROCEDURE, DERIVATIVE, KINETIC, LINEAR or NONLINEAR block."""

    kind: str
    name: str
    args: tuple[str, ...]
    body: Body
    line: int
    table: Table | None = None


@final
@dataclass(frozen=True, eq=False)
class Given:
    """What a FUNCTION_TABLE was filled with: values `y` at rising `x`, between which it is linear."""

    x: tuple[float, ...]
    y: tuple[float, ...]


@final
@dataclass(frozen=True, eq=False)
class Parameter:
    """An entry of PARAMETER."""

    name: str
    value: float
    unit: str
    length: int
    line: int


@final
@dataclass(frozen=True, eq=False)
class UsedIon:
    """`USEION name READ … WRITE … VALENCE …`."""

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    valence: int | None
    line: int


@final
@dataclass(eq=False)
class File:
    """One .mod file; `assigned` and `states` are names with lengths, 0 for a single value.

    `tables` are its FUNCTION_TABLEs with what fills them; `usetable`: whether TABLEs interpolate, as in NEURON.
    `is_tried`: while a class is made its functions are tried, and tables may be empty.
    """

    kind: str = ""
    suffix: str = ""
    ions: list[UsedIon] = field(default_factory=list)
    nonspecific: list[str] = field(default_factory=list)
    electrode: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    pointers: list[str] = field(default_factory=list)
    constants: dict[str, float] = field(default_factory=dict)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    assigned: dict[str, int] = field(default_factory=dict)
    states: dict[str, int] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    routines: dict[str, Routine] = field(default_factory=dict)
    initial: Body = ()
    breakpoint: Body = ()
    before_initial: Body = ()
    after_initial: Body = ()
    before_breakpoint: Body = ()
    after_solve: Body = ()
    before_step: Body = ()
    receive: Routine | None = None
    receive_initial: Body = ()
    refused: list[Foreign] = field(default_factory=list)
    randoms: list[str] = field(default_factory=list)
    loose: list[Foreign] = field(default_factory=list)
    left_out: list[tuple[int, str]] = field(default_factory=list)
    lines: Mapping[int, str] = field(default_factory=dict)
    title: str = ""
    tables: "dict[str, Given | None]" = field(default_factory=dict)
    usetable: bool = False
    is_tried: bool = True
