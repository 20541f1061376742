"""What channels read of ions, checked: every ion is there where it is read, and only once."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..base.errors import ParameterError
from ..mech import reading
from .inserted import ChannelSites, IonSites
from .layout import Layout


def check_ions(
    layout: Layout, channels: Sequence[ChannelSites], ions: Sequence[IonSites], warm: bool
) -> None:
    """Raise `ParameterError` unless every ion that a channel reads is painted where it reads it, and only once.

    `warm`: whether the population has a temperature.
    """
    provided: dict[str, list[IonSites]] = {}
    for ion in ions:
        ion.template.charge(ion.species)
        for other in provided.setdefault(ion.species, []):
            if np.intersect1d(other.index, ion.index).size:
                raise ParameterError(
                    f"the ion '{ion.species}' is painted twice at the same place; paint it under one name"
                )
        provided[ion.species].append(ion)
    who = f"in population '{layout.name}'" if layout.name else "in this cell"
    for channel in channels:
        for name in (*channel.outline.gates_read, *channel.outline.current_reads):
            asked = reading(name)
            if asked is None:
                _need_temperature(warm, f"'{channel.path}' reads celsius")
                continue
            species, kind = asked
            _check_reading(channel, name, species, kind, provided.get(species, []), who)
            for ion in provided[species]:
                _need_value(ion, kind, name, channel.path, warm)


def _check_reading(
    channel: ChannelSites, name: str, species: str, kind: str, ions: Sequence[IonSites], who: str
) -> None:
    index = np.concatenate([ion.index for ion in ions]) if ions else np.zeros(0, int)
    missing = np.setdiff1d(channel.index, index)
    if missing.size:
        cure = "Reversal(e=…)" if kind == "e" else "Fixed(ci=…, co=…) or Pool()"
        raise ParameterError(
            f"'{channel.path}' reads {name}, but {who} nobody provides the ion '{species}' at {missing.size} of its"
            f" {len(channel.index)} CVs; paint {species}={cure} there"
        )


def _need_value(ion: IonSites, kind: str, name: str, reader: str, warm: bool) -> None:
    template: Any = ion.template
    if kind == "e" and not template.has_own_reversal:
        _need_temperature(warm, f"'{reader}' reads {name}, a Nernst potential")
    known = {"e": 0.0, "i": template.inside(**template.start()), "o": template.outside(**template.start())}
    if known[kind] is None:
        raise ParameterError(
            f"'{reader}' reads {name}, but {type(template).__name__} '{ion.path}' has no concentrations; paint"
            f" {ion.species}=Fixed(ci=…, co=…) or Pool()"
        )


def _need_temperature(warm: bool, why: str) -> None:
    if not warm:
        raise ParameterError(f"{why}: give the cell a temperature, Cell(…, temperature=37.0)")
