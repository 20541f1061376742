"""Mechanisms of NEURON that are ours: its own `pas` and `hh`, and those that `to_neuron` has written."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from ...base.errors import CajaxError, ParameterError
from ...base.names import class_of
from ...mech import HH, LIBRARY, Channel, Ion, Leak, load_library
from .channels import channel_mod
from .mod import Mod
from .pools import pool_mod

_WRITTEN = re.compile(r"^Written by Cajax from its class ([\w.:]{1,200}): ", re.MULTILINE)
_MOST = 1_000_000
"""Characters of a mechanism's text that are looked at."""


@final
@dataclass(frozen=True)
class Known:
    """A mechanism `name` of NEURON that is our `template`: `parameters` is what ours are called there.

    A name with a dot in it is one of the segment's, such as an ion's potential. `species` of an ion; what a channel
    `reads`; `warm`: whether its file was written for a model with a temperature.
    """

    name: str
    template: Channel | Ion
    parameters: Mapping[str, str]
    species: str = ""
    reads: tuple[str, ...] = ()
    warm: bool = True

    @property
    def is_cold(self) -> bool:
        """Whether its rates stay at the temperature at which they were measured, whatever `celsius` is."""
        q10 = self.template.q10
        return not self.warm and q10 is not None and q10.factor != 1.0

    @property
    def needs_celsius(self) -> bool:
        """Whether it depends on `celsius`."""
        q10 = self.template.q10
        warmed = self.warm and q10 is not None and q10.factor != 1.0
        return warmed or "celsius" in self.reads or isinstance(self.template, Ion)

    def made(self, segments: Sequence[Any], shared: Callable[[Sequence[float]], Any]) -> Any:
        """Return the mechanism with the values of the segments; `shared` joins them."""
        values = {}
        for ours, theirs in self.parameters.items():
            own = [seg if theirs.startswith(".") else getattr(seg, self.name) for seg in segments]
            values[ours] = shared([getattr(x, theirs.lstrip(".")) for x in own])
        more = {"species": self.species} if isinstance(self.template, Ion) else {}
        return type(self.template)(**values, **more)


def known(h: Any, name: str) -> Known:
    """Return what a density mechanism of NEURON is here; raises `ParameterError` where it is none of ours."""
    if name == "pas":
        return Known(name, Leak(), {"g": "g", "e": "e"})
    if name == "hh":
        own = {"gna": "gnabar", "gk": "gkbar", "gl": "gl", "el": "el", "ena": ".ena", "ek": ".ek"}
        return Known(name, HH(), own)
    text = _text(h, name)
    match = _WRITTEN.search(text)
    cls = class_of(match[1], _load) if match else None
    if cls is None or not issubclass(cls, (Channel, Ion)):
        raise ParameterError(
            f"NEURON's mechanism '{name}' is none that from_neuron knows (pas, hh, and what to_neuron has written);"
            " import the module of its class first, or take it out"
        )
    return _matched(name, cls, text)


def _load(name: str) -> None:
    """Define the libraries, of which the class may be one."""
    if name.partition(".")[0] in LIBRARY:
        load_library(name.partition(".")[0])


def _text(h: Any, name: str) -> str:
    types = h.MechanismType(0)
    types.select(name)
    return str(types.code() or "")[:_MOST]


def _matched(name: str, cls: type, text: str) -> Known:
    """Return the class where it writes this text today, so that the equations are the same."""
    template = cls()
    for mod, species, warm in _candidates(name, template, text):
        if mod.text.split() == text.split():
            reads: tuple[str, ...] = ()
            if isinstance(template, Channel):
                outline = template.outline()
                reads = (*outline.gates_read, *outline.current_reads)
            return Known(name, template, mod.parameters, species, reads, warm)
    raise ParameterError(
        f"NEURON's mechanism '{name}' was written from {cls.__name__}, which is another today, or has other choices;"
        " export the model again"
    )


def _candidates(name: str, template: Channel | Ion, text: str) -> Iterator[tuple[Mod, str, bool]]:
    """Yield what the class may have been written as."""
    used = dict.fromkeys(re.findall(r"^\s*USEION (\w+)", text, re.MULTILINE))
    valence = {k: int(z) for k, z in re.findall(r"USEION (\w+) .*VALENCE (-?\d+)", text)}
    if isinstance(template, Ion):
        for species in used:
            yield pool_mod(template, species, name), species, True
        return
    valences = {species: valence.get(species, 1) for species in used}
    for warm in (True, False):
        try:
            yield channel_mod(template, template.outline(), name, warm, valences), "", warm
        except CajaxError:
            continue
