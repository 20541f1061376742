"""What channels and synapses read of ions, checked: every ion is there where it is read, and only once."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..base.errors import ParameterError
from ..mech import Ion, reading
from ..mech.ports import is_reading
from .inserted import ChannelSites, EventProjection, IonSites
from .layout import Layout


def check_ions(
    layout: Layout, channels: Sequence[ChannelSites], ions: Sequence[IonSites], warm: bool
) -> None:
    """Raise `ParameterError` unless every ion that a channel reads is painted where it reads it, and only once.

    `warm`: whether the population has a temperature.
    """
    provided = _provided(ions)
    readers = [(m, {*m.outline.gates_read, *m.outline.current_reads}) for m in channels]
    readers += [(m, _read(m.template)) for m in ions]
    for reader, names in readers:
        _check_reader(reader.path, reader.index, names, provided, _starts(ions), layout, warm)


def check_synapses(
    layout: Layout, events: Sequence[EventProjection], ions: Sequence[IonSites], warm: bool
) -> None:
    """Raise `ParameterError` unless every ion that a synapse onto a population reads is painted where it reads it."""
    provided = _provided(ions)
    for projection in events:
        names = {n for n in projection.template.readings() if is_reading(n)}
        at = np.unique(projection.wires.post)
        _check_reader(projection.wires.path, at, names, provided, _starts(ions), layout, warm)


def _provided(ions: Sequence[IonSites]) -> dict[str, list[IonSites]]:
    """Return the ions by species; raises `ParameterError` where one is painted twice."""
    provided: dict[str, list[IonSites]] = {}
    seen = [view for ion in ions for view in _views(ion)]
    for ion in seen:
        ion.template.charge(ion.species)
        for other in provided.setdefault(ion.species, []):
            if np.intersect1d(other.index, ion.index).size:
                raise ParameterError(
                    f"the ion '{ion.species}' is painted twice at the same place; paint it under one name"
                )
        provided[ion.species].append(ion)
    return provided


def _starts(ions: Sequence[IonSites]) -> dict[str, Mapping[str, Any]]:
    """Return what the states of every ion may be, by its path."""
    return {ion.path: ion.template.example() for ion in ions}


def _check_reader(
    path: str,
    index: np.ndarray,
    names: set[str],
    provided: Mapping[str, list[IonSites]],
    starts: Mapping[str, Mapping[str, Any]],
    layout: Layout,
    warm: bool,
) -> None:
    who = f"in population '{layout.name}'" if layout.name else "in this cell"
    for name in sorted(names):
        species, kind = reading(name) or ("", name)
        if kind == "celsius":
            _need_temperature(warm, f"'{path}' reads celsius")
        if species and kind != "current":
            _check_reading(path, index, name, species, kind, provided.get(species, []), who)
            for ion in provided[species]:
                _need_value(ion, starts[ion.path], kind, name, path, warm)


def _views(ion: IonSites) -> list[IonSites]:
    """Return an ion with the further species that its states hold."""
    others = ion.template.companions().items()
    return [ion, *(dataclasses.replace(ion, species=name, template=other) for name, other in others)]


def _read(ion: Ion) -> set[str]:
    """Return what an ion reads of its surroundings."""
    asked = {*ion.reads(), *ion.start_reads(), *(ion.current_reads() or ())}
    return {name for name in asked - {*ion.example()} if is_reading(name)}


def _check_reading(
    path: str, index: np.ndarray, name: str, species: str, kind: str, ions: Sequence[IonSites], who: str
) -> None:
    there = np.concatenate([ion.index for ion in ions]) if ions else np.zeros(0, int)
    missing = np.setdiff1d(index, there)
    if missing.size:
        cure = "Reversal(e=…)" if kind == "e" else "Fixed(ci=…, co=…) or Pool()"
        raise ParameterError(
            f"'{path}' reads {name}, but {who} nobody provides the ion '{species}' at {missing.size} of its"
            f" {len(index)} CVs; paint {species}={cure} there"
        )


def _need_value(
    ion: IonSites, start: Mapping[str, Any], kind: str, name: str, reader: str, warm: bool
) -> None:
    template: Any = ion.template
    if kind == "e" and not template.has_own_reversal:
        _need_temperature(warm, f"'{reader}' reads {name}, a Nernst potential")
    known = {"e": 0.0, "i": template.inside(**start), "o": template.outside(**start)}
    if known[kind] is None:
        raise ParameterError(
            f"'{reader}' reads {name}, but {type(template).__name__} '{ion.path}' has no concentrations; paint"
            f" {ion.species}=Fixed(ci=…, co=…) or Pool()"
        )


def _need_temperature(warm: bool, why: str) -> None:
    if not warm:
        raise ParameterError(f"{why}: give the cell a temperature, Cell(…, temperature=37.0)")
