"""The text of a .mod file, put together from its blocks; and which names may be used in it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from ...base.names import name_of
from ...mech import Mechanism
from .expressions import TRAP, Statements, number

_WORDS = """
v t dt celsius area diam secondorder trap rates gates blocks scheme flow shown event i loc point weight gmax
exp log log10 pow sqrt fabs floor ceil fmod sin cos tan tanh sinh cosh atan atan2 asin acos erf

first_time error f_flux b_flux threshold force deflate expfit derivs spline hyperbol revhyperbol sigmoid revsigmoid
harmonic squarewave sawtooth revsawtooth ramp pulse perpulse step perstep exprand factorial gauss normrand poisrand
poisson setseed scop_random boundary romberg legendre invert stepforce schedule set_seed state_discontinuity
net_send net_event net_move at_time nrn_pointing nrn_ghk random delay tstop

and or not xor auto bool break case catch char class const continue default delete do double else enum explicit
export extern false float for friend goto if inline int long namespace new operator private protected public
register return short signed sizeof static struct switch template this throw true try typedef union unsigned
using virtual void volatile while assert
"""
_TAKEN = frozenset(_WORDS.split())
"""What no parameter or state may be called: words of ours, of NMODL and its library, of C++."""

_UNITS = {"S/cm2": "S/cm2", "uS": "uS", "mV": "mV", "ms": "ms", "1/ms": "/ms", "mM": "mM", "um": "um", "nA": "nA",
          "mA/cm2": "mA/cm2", "degC": "degC", "cm/s": "cm/s"}  # fmt: skip


@final
@dataclass(frozen=True)
class Mod:
    """A generated mechanism: its `name` in NEURON, its `text`, and what our parameters and states are called there."""

    name: str
    text: str
    parameters: Mapping[str, str]
    states: Mapping[str, str] = field(default_factory=dict)
    late: tuple[str, ...] = ()
    """States that begin a run with values of their own, which the script sets."""


def named(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Return a name in NMODL for each of ours: the same, with an underscore behind it where that is taken."""
    used, found = {*_TAKEN, *taken}, {}
    for name in names:
        new = (
            name
            if name.isascii() and not name.startswith("_")
            else "p_" + name.encode("ascii", "replace").decode()
        )
        new = "".join(c if c.isalnum() or c == "_" else "_" for c in new)
        while new in used:
            new += "_"
        used.add(new)
        found[name] = new
    return found


def choices(mechanism: Mechanism) -> tuple[tuple[str, Any], ...]:
    """Return the fields of a mechanism that are no parameters: what its equations depend on beside numbers."""
    own = {spec.name for spec in mechanism.specs()}
    return tuple((k, repr(x)) for k, x in sorted(vars(mechanism).items()) if k not in own)


def title(mechanism: Mechanism, what: str) -> str:
    """Return the lines that open a file: what it is, and the class that it was made from."""
    cls = type(mechanism)
    summary = (cls.__doc__ or cls.__name__).strip().splitlines()[0].replace("ENDCOMMENT", "")
    summary = summary.encode("ascii", "replace").decode()
    known = name_of(cls) or f"{cls.__module__}:{cls.__qualname__}"
    return f"TITLE {what}\nCOMMENT\nWritten by Cajax from its class {known}: {summary}\nENDCOMMENT\n"


def block(head: str, lines: Iterable[str], local: Sequence[str] = ()) -> str:
    """Return a block with one line for each statement."""
    declared = [f"LOCAL {', '.join(local)}"] if local else []
    return "\n".join([f"{head} {{", *(f"    {x}" for x in (*declared, *lines)), "}"]) + "\n"


def parameters(mechanism: Mechanism, names: Mapping[str, str]) -> list[str]:
    """Return the lines of a PARAMETER block: the defaults of a class."""
    lines = []
    for spec in mechanism.specs():
        unit = f" ({_UNITS[spec.unit]})" if spec.unit in _UNITS else ""
        lines.append(f"{names[spec.name]} = {number(float(spec.default))}{unit}")
    return lines


def assignments(found: Statements, names: Mapping[str, str]) -> list[str]:
    """Return the statements and, for every result, its assignment to a variable."""
    return [*found.lines, *(f"{names[k]} = {x}" for k, x in found.results.items())]


def functions(*found: Statements) -> str:
    """Return the FUNCTION blocks that statements need."""
    return f"\n{TRAP}\n" if any(x.traps for x in found) else ""
