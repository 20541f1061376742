"""The point processes that live in NEURON, by what they are here."""

from collections.abc import Iterator, Mapping
from typing import Any, final

from ...base.errors import ParameterError
from ...mech import Channel, EventSynapse, Synapse
from .gaps import is_junction, pointers, shown
from .known import Known, is_ours, known_point, text_of
from .places import Places
from .stimulated import unknown_points
from .styles import Styles
from .trees import points


@final
class Points:
    """All point processes but electrodes and artificial cells, those `left_out` apart, by type.

    `events`: synapses that receive; `graded`: those that follow a voltage; `painted`: what lets a current flow by
    itself; `junctions`: halves of gap junctions, with their texts.
    """

    def __init__(self, h: Any, left_out: tuple[str, ...] | Any, styles: Styles):
        self._h = h
        self.events: dict[str, Known] = {}
        self.graded: dict[str, Known] = {}
        self.painted: dict[str, Known] = {}
        self.junctions: dict[str, str] = {}
        there = [n for n, artificial in points(h).items() if not artificial and int(h.List(n).count())]
        for name in unknown_points(there):
            if name not in left_out:
                self._sort(name, styles)

    def _sort(self, name: str, styles: Styles) -> None:
        text = text_of(self._h, name, 1)
        shows = [] if is_ours(text) else pointers(text)
        if shows and is_junction(name, text, shows[0]):
            self.junctions[name] = text
            return
        found = known_point(self._h, name, styles)
        match found.template:
            case EventSynapse():
                self.events[name] = found
            case Synapse():
                self.graded[name] = found
            case Channel() if not shows:
                self.painted[name] = found
            case _:
                raise ParameterError(
                    f"NEURON holds {len(self.of(name))} {name}, which reads another's variables through a POINTER; take"
                    f" it out, or call from_neuron(without=['{name}'])"
                )

    def every(self) -> Iterator[Known]:
        """Yield what is known of every type."""
        for found in (self.events, self.graded, self.painted):
            yield from found.values()

    def of(self, name: str) -> list[Any]:
        """Return the point processes of a type that are in a section."""
        return [p for p in self._h.List(name) if p.has_loc()]

    def painted_ones(self) -> list[tuple[str, Any]]:
        """Return (type, point process) of all that are painted."""
        return [(name, p) for name in self.painted for p in self.of(name)]

    def shown(self, places: Places) -> Mapping[str, Any]:
        """Return the segment whose voltage each point process that has a pointer shows, by its name."""
        found: dict[str, Any] = {}
        for name in (*self.junctions, *self.graded, *self.events):
            if names := pointers(text_of(self._h, name, 1)):
                own = self.of(name)
                rows = shown(self._h, places, own, names[0])
                found |= {p.hname(): seg for p, seg in zip(own, rows, strict=True)}
        return found
