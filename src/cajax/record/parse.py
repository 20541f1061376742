"""The text forms of recordables, parsed once: "soma", "soma.na.m", "soma.spikes", "a->b.graded.s", "pool.x"."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

from ..base.checks import text
from ..base.errors import ProtocolError, unknown
from ..inputs.base import as_place
from ..model.inserted import path_of
from ..model.structure import Structure
from .currents import CapacitiveCurrent, ChannelCurrent, ClampCurrent, MembraneCurrent, SynapticCurrent
from .quantities import ChannelState, Concentration, PartQuantity, Signal, Voltage
from .recordable import Recordable
from .spikes import SpikeTrain


@final
@dataclass(frozen=True)
class Probe:
    """A quantity at a place.

    `what` is "v" (mV), "spikes", "mechanism.gate", "mechanism.i" (outward current, mA/cm²), "mechanism.ina" (what
    sodium carries of it; for `HH` also "ik" and the leak "il") or an ion's: "ca.cai" and "ca.cao" (mM), "ca.eca" (mV),
    and its further states; or a whole current (nA): "clamp", "synaptic", "membrane", "capacitive".

    As text: "soma" is the voltage at the soma's centre, "soma.na.m" a gate; in a network "hidden", "hidden.soma",
    "hidden.soma.na.m", "hidden.spikes", and "pre->post.synapse.s" for a transmitter signal [pre] (or [edge]), ".w" for
    plastic weights.
    """

    at: Any
    what: str = "v"


WORDS: Mapping[str, Callable[[Any], Recordable]] = {
    "v": Voltage,
    "spikes": SpikeTrain,
    "clamp": ClampCurrent,
    "synaptic": SynapticCurrent,
    "membrane": MembraneCurrent,
    "capacitive": CapacitiveCurrent,
}
"""What can be recorded at any place, by the word that text forms end with."""


def parse(structure: Structure, spec: Any) -> Recordable:
    """Return the recordable that `spec` (text, a place, a `Probe` or a recordable) means.

    Raises a `CajaxError` for text that means nothing in this model.
    """
    if isinstance(spec, Recordable):
        return spec
    if isinstance(spec, Probe):
        return _at(structure, as_place(spec.at, "Probe"), spec.what)
    if not isinstance(spec, str):
        return Voltage(as_place(spec, "a recording"))
    if "->" in spec:
        path, dot, what = spec.rpartition(".")
        if not dot:
            raise ProtocolError(
                f"cannot record '{spec}'; name a quantity of the projection, as in '{spec}.graded.s'"
            )
        return Signal(path, what)
    return _text(structure, spec)


def _text(structure: Structure, spec: str) -> Recordable:
    words = spec.split(".")
    if len(words) == 2 and words[0] in {p.name for p in structure.parts}:
        return PartQuantity(words[0], words[1])
    if structure.is_cell:
        place, rest = words[0], words[1:]
    elif len(words) > 1 and words[1] in structure.layout(words[0]).labels:
        place, rest = ".".join(words[:2]), words[2:]
    elif len(words) == 2 and words[1] not in WORDS:
        return Voltage(spec)  # a label that does not exist, which is said where it is resolved
    else:
        place, rest = words[0], words[1:]
    if not rest:
        return Voltage(place)
    if len(rest) == 1 and rest[0] in WORDS:
        return WORDS[rest[0]](place)
    if len(rest) != 2:
        raise ProtocolError(
            f"cannot record '{spec}'; write a place, place.mechanism.gate as in 'soma.na.m', or place.word with one of"
            f" {', '.join(WORDS)}"
        )
    return _at(structure, place, ".".join(rest))


def _at(structure: Structure, at: Any, what: str) -> Recordable:
    """Return the recordable of `what` at a place: a word, or "mechanism.variable"."""
    text(what, "Probe what, such as 'na.m' or 'spikes',", kind=ProtocolError)
    if what in WORDS:
        return WORDS[what](at)
    name, _, variable = what.partition(".")
    population, _ = structure.located(at)
    path = path_of(population, name)
    channel = next((m for m in structure.channels if m.path == path), None)
    if channel is not None:
        states, parts = channel.outline.states, channel.outline.parts
        if variable in states and variable != "i":
            return ChannelState(at, name, variable)
        if variable == "i" or (variable[1:] in parts and variable.startswith("i")):
            return ChannelCurrent(at, name, variable[1:])
        known = [*states, "i", *(f"i{part}" for part in parts)]
        raise unknown("quantity", variable, known, where=f"mechanism '{path}'")
    ion = next((m for m in structure.ions if m.path == path), None)
    if ion is None:
        mechanisms = (m.path for m in (*structure.channels, *structure.ions))
        raise unknown("mechanism or quantity", path, [*mechanisms, *WORDS])
    species = ion.species
    known = {f"{species}i": "i", f"{species}o": "o", f"e{species}": "e"}
    return Concentration(at, name, known.get(variable, variable))
