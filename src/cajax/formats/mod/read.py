"""`read_mod`: from a .mod file to a class of our own."""

import hashlib
import types
from pathlib import Path
from typing import Any

from ...base import checks
from ...base.errors import CajaxError
from ...base.names import defined_by
from ...mech import Channel, EventSynapse, Ion, Mechanism
from . import channel, pool, synapse
from . import tree as t
from .declare import file_of
from .design import Design
from .faults import AtLine, ModError
from .report import Report
from .signed import signed
from .source import Source, read_source, text_source

KIND = "mod"
"""What the text of such a class is called in saved models."""


def read_mod(path: str | Path, *, strict: bool = False) -> type[Any]:
    """Return the mechanism of a .mod file as a class: a `Channel`, or an `Ion` for a file that writes a concentration.

    The class is like one written by hand: its parameters are those of PARAMETER with their defaults and units, and a
    saved model holds the text of the file. `cls.report` says what was taken over exactly, what is approximated and how;
    `strict` refuses a file that is not taken over exactly. Needs `pip install 'cajax[neuron]'`.

    Raises `CajaxError`, one line with the file and the line in it, for a file that cannot be read or is not taken over.
    """
    path = checks.path(path, "read_mod: path", kind=ModError)
    checks.flag(strict, "read_mod: strict", kind=ModError)
    made = class_of_source(read_source(path))
    if strict and made.report.approximated:
        raise ModError(f"{made.report.approximated[0]}; read it without strict=True to take that")
    return made


def class_of_text(text: str) -> type[Any]:
    """Return the class of the text of a .mod file, as a saved model holds it."""
    return class_of_source(text_source(text, "the model's .mod text"))


def class_of_source(source: Source) -> type[Any]:
    """Return the class of a flattened file; raises `ModError`."""
    file = file_of(source)
    try:
        _refuse(file)
        made = _made(file, source)
        made().check()
    except AtLine as error:
        raise source.fault(error) from None
    except ModError:
        raise
    except CajaxError as error:
        raise ModError(f"{source.where(1)}: {error}") from None
    except RecursionError:
        raise ModError(
            f"{source.where(1)}: its blocks call one another too deeply; write it with fewer"
        ) from None
    defined_by(made, KIND, source.text)
    return made


def _names() -> set[str]:
    """Return the names that no parameter may have: those of methods and choices."""
    return {n for n in (*dir(Channel), *dir(Mechanism), "report", "species", "valence") if n != "q10"} | {
        *("start", "inside", "outside", "reversal", "rates", "reads_voltage", "diffusion", "charge", "self"),
        *("flow", "event", "release", "states", "stepped"),
    }


def _refuse(file: t.File) -> None:
    for found in file.refused:
        raise AtLine(found.line, f"{found.text} is not taken over; leave it out, or write it in NMODL")
    if file.pointers:
        raise AtLine(1, f"POINTER {file.pointers[0]} is not taken over: it reads what another mechanism owns")
    if file.kind != "SUFFIX" and not synapse.has_spikes(file):
        raise AtLine(
            1, f"{file.kind} {file.suffix} is not taken over: no density mechanism, ion pool or event synapse"
        )


def _writes_concentration(file: t.File) -> bool:
    return any(n != f"i{ion.name}" for ion in file.ions for n in ion.writes)


def _channel(file: t.File, source: Source) -> type[Any]:
    design = Design(file, _names())
    own = channel.ChannelDesign(design)
    methods = channel.members(own, source)
    fields = design.fields()
    space = {
        **fields,
        **methods,
        "temperature_factor": lambda self, celsius: 1.0,
        "report": report(design, source),
        "__annotations__": dict.fromkeys(fields, Any),
        "__reduce__": _reduced,
        **identity(file, source),
    }
    signatures(own, methods)
    made = _class(file.suffix, Channel, space)
    own.settle_start(made)
    signatures(own, methods)
    return made


def _ion(file: t.File, source: Source) -> type[Any]:
    design = Design(file, _names())
    own = pool.PoolDesign(design)
    space = {**pool.members(own, source), "report": report(design, source), "__reduce__": _reduced}
    made = _class(file.suffix, Ion, {**space, **identity(file, source)})
    pool.check_start(made, own)
    return made


def _class(name: str, base: type[Any], space: dict[str, Any]) -> type[Any]:
    """Return a subclass with these fields and methods."""
    return types.new_class(name, (base,), {}, lambda own: own.update(space))


def _made(file: t.File, source: Source) -> type[Any]:
    if file.kind == "POINT_PROCESS":
        return _synapse(file, source)
    return _ion(file, source) if _writes_concentration(file) else _channel(file, source)


def _synapse(file: t.File, source: Source) -> type[Any]:
    design = Design(file, _names())
    own = synapse.SynapseDesign(design)
    space = {**synapse.members(own, source), "report": report(design, source), "__reduce__": _reduced}
    made = _class(file.suffix, EventSynapse, {**space, **identity(file, source)})
    own.check(made())
    return made


def signatures(own: channel.ChannelDesign, methods: dict[str, Any]) -> None:
    """Say what the methods of a channel take."""
    signed(methods["gates"], "self", "v", *own.gates_read.values())
    signed(methods["current"], "self", "v", *own.shown(), *own.current_reads.values())


def identity(file: t.File, source: Source) -> dict[str, Any]:
    """Return what a class is called: by its text, so that equal files are one class on disk."""
    digest = hashlib.sha256(source.text.encode()).hexdigest()[:16]
    title = file.title or f"The mechanism {file.suffix} of {source.where(1).rpartition(':')[0]}."
    return {
        "__module__": f"mod.{digest}",
        "__qualname__": file.suffix,
        "__doc__": title,
        "mod_text": source.text,
    }


def report(design: Design, source: Source) -> Report:
    """Return what became of a file."""
    exact = [f"{source.where(line)}: {text}" for line, text in design.notes]
    for routine in design.file.routines.values():
        if routine.table:
            where = source.where(routine.line)
            exact.append(f"{where}: TABLE of {routine.name}: the functions themselves, as with usetable = 0")
    approximated = tuple(f"{source.where(line)}: {text}" for line, text in design.approximated)
    return Report((f"{source.where(1)}: {design.file.kind} {design.file.suffix}", *exact), approximated)


def _reduced(self: Any) -> Any:
    return _rebuilt, (self.mod_text, self.params())


def _rebuilt(text: str, params: dict[str, Any]) -> Any:
    return class_of_text(text)().with_params(params)
