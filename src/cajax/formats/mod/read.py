"""`read_mod`: from a .mod file to a class of our own."""

import dataclasses
import hashlib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...base import checks
from ...base.errors import CajaxError
from ...base.names import defined_by
from ...mech import Channel, EventSynapse, Ion, Mechanism, PointNeuron
from . import channel, generator, pool, process, rewrite, synapse
from . import tree as t
from .declare import file_of
from .design import Design
from .draws import SEED
from .faults import AtLine, ModError
from .report import Report
from .signed import signed
from .source import Source, read_source, text_source
from .tables import chosen

SECANT = 1e-3
"""Over how many mV NEURON takes the slope of every current."""
KIND = "mod"
"""What the text of such a class is called in saved models."""


def read_mod(
    path: str | Path, *, strict: bool = False, usetable: bool = False, tables: Mapping[str, Any] | None = None
) -> type[Any]:
    """Return the mechanism of a .mod file as a class.

    It is a `Channel`, an `Ion` for a file that writes a concentration, an `EventSynapse` for a synapse, or a
    `PointNeuron` for a spike generator.

    The class is like one written by hand: its parameters are those of PARAMETER with their defaults and units, and a
    saved model holds the text of the file. `cls.report` says what was taken over exactly, what is approximated and how;
    `strict` refuses a file that is not taken over exactly. With `usetable` what the file tabulates (TABLE) is
    interpolated as NEURON does; `tables` fill its FUNCTION_TABLEs, each a number or (x, y) with rising x. Needs
    `pip install 'cajax[neuron]'`.

    Raises `CajaxError`, one line with the file and the line in it, for a file that cannot be read or is not taken over.
    """
    path = checks.path(path, "read_mod: path", kind=ModError)
    checks.flag(strict, "read_mod: strict", kind=ModError)
    checks.flag(usetable, "read_mod: usetable", kind=ModError)
    made = class_of_source(chosen(read_source(path), usetable, tables))
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
        rewrite.plain(file)
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
    file.is_tried = False
    defined_by(made, KIND, source.text)
    return made


def _names() -> set[str]:
    """Return the names that no parameter may have: those of methods and choices."""
    return {n for n in (*dir(Channel), *dir(Mechanism), "report", "species", "valence") if n != "q10"} | {
        *("start", "inside", "outside", "reversal", "rates", "reads_voltage", "diffusion", "charge", "self"),
        *("flow", "event", "release", "states", "stepped", "companions", "potential", "begun", "example"),
        *("reads", "wake", "readings", "takes_weight"),
        *("current_reads", "start_reads", "weight", "delay", "threshold"),
    }


def _refuse(file: t.File) -> None:
    for found in file.refused:
        raise AtLine(found.line, f"{found.text} is not taken over; leave it out, or write it in NMODL")
    if file.kind not in ("SUFFIX", "POINT_PROCESS", generator.ARTIFICIAL):
        raise AtLine(1, f"{file.kind} {file.suffix} is not taken over; write a SUFFIX or a POINT_PROCESS")


def _writes_concentration(file: t.File) -> bool:
    return any(n != f"i{ion.name}" for ion in file.ions for n in ion.writes)


def _channel(file: t.File, source: Source) -> type[Any]:
    said = rewrite.pointers_as_parameters(file)
    design = Design(file, _names())
    design.approximated += said
    own = channel.ChannelDesign(design)
    methods = channel.members(own, source)
    fields = design.fields()
    space = {
        **fields,
        **methods,
        "temperature_factor": lambda self, celsius: 1.0,
        "secant": SECANT,
        "is_fixed": True,
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


def _generator(file: t.File, source: Source) -> type[Any]:
    """Return what sends itself events and fires by them, as a point neuron."""
    said = rewrite.pointers_as_parameters(file)
    design = Design(file, generator.TAKEN)
    design.approximated += said
    own = generator.GeneratorDesign(design)
    space = {**generator.members(own, source), "report": report(design, source), "__reduce__": _reduced}
    return _class(file.suffix, PointNeuron, {**space, **identity(file, source)})


def _made(file: t.File, source: Source) -> type[Any]:
    if generator.fires(file):
        return _generator(file, source)
    # What neither receives spikes nor follows a presynaptic voltage sits at a place, not on a connection.
    if file.kind == "POINT_PROCESS" and (file.receive or rewrite.voltage_pointer(file)):
        return _synapse(file, source)
    return _ion(file, source) if _writes_concentration(file) else _channel(file, source)


def _synapse(file: t.File, source: Source) -> type[Any]:
    """Return a synapse whose states stand for all spikes where the file allows that, else one per connection."""
    try:
        design = Design(file, _names())
        own = synapse.SynapseDesign(design)
        made = _event_synapse(file, source, design, synapse.members(own, source))
        own.check(made())
        return made
    except AtLine:
        pre = rewrite.voltage_pointer(file)
        said = rewrite.pointers_as_parameters(file, pre)
        design = Design(file, _names())
        design.approximated += said
        if pre is not None:
            design.approximated.append((1, f"POINTER {pre} is the voltage of the presynaptic cell"))
        return _event_synapse(
            file, source, design, process.members(process.ProcessDesign(design, pre), source)
        )


def _event_synapse(file: t.File, source: Source, design: Design, space: dict[str, Any]) -> type[Any]:
    space = {**space, "report": report(design, source), "__reduce__": _reduced, **identity(file, source)}
    return _class(file.suffix, EventSynapse, space)


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
            how = "interpolated, as with usetable = 1"
            how = how if design.file.usetable else "the functions themselves, as with usetable = 0"
            exact.append(f"{where}: TABLE of {routine.name}: {how}")
    approximated = tuple(f"{source.where(line)}: {text}" for line, text in design.approximated)
    return Report((f"{source.where(1)}: {design.file.kind} {design.file.suffix}", *exact), approximated)


def _reduced(self: Any) -> Any:
    choices = {SEED: self.seed} if SEED in {f.name for f in dataclasses.fields(self)} else {}
    return _rebuilt, (self.mod_text, self.params(), choices)


def _rebuilt(text: str, params: dict[str, Any], choices: dict[str, Any]) -> Any:
    return class_of_text(text)(**choices).with_params(params)
