"""What acts in a NEURON and is no part of a model here: what of it can be seen, and what cannot."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from .report import Report, some
from .trees import Tree

_HIDDEN = (
    "Python and hoc callbacks (fadvance and init overridden, events with statements)",
    "variables that ParallelContext transfers",
)


def foreign(h: Any, trees: Sequence[Tree]) -> Iterator[tuple[str, str]]:
    """Yield what acts in this NEURON and has no counterpart here: its name, and a line about it."""
    here = [p.sec for t in trees for p, x in zip(t.pieces, t.inside, strict=True) if "extracellular" in x]
    if here:
        yield "extracellular", f"extracellular in {some(here)}: a layer outside the membrane"
    for name, what in (
        ("LinearMechanism", "equations of its own"),
        ("KSChan", "channels of the Channel Builder"),
    ):
        if count := _count(h, name):
            yield name, f"{count} {name}: {what}, which cannot be read from outside"
    if species := _species():
        yield "rxd", f"rxd with {some(species)}: reactions and diffusion"


def overlooked(h: Any, report: Report) -> None:
    """List what may act and cannot be seen."""
    if vectors := _count(h, "Vector"):
        report.overlook(f"whether any of the {vectors} Vectors is played into a variable")
    if handlers := _count(h, "FInitializeHandler"):
        report.overlook(f"what the {handlers} FInitializeHandlers do (NEURON has one of its own)")
    for what in _HIDDEN:
        report.overlook(what)
    if _count(h, "StateTransitionEvent"):
        report.overlook("what the StateTransitionEvents do")


def _count(h: Any, template: str) -> int:
    return int(h.List(template).count())


def _species() -> list[str]:
    """Return the names of the species of rxd, where somebody uses it: it is imported nowhere here."""
    module = sys.modules.get("neuron.rxd.species")
    found = []
    for ref in getattr(module, "_all_species", ()):
        x = ref() if callable(ref) else ref
        if x is not None:
            found.append(str(getattr(x, "name", x)))
    return found
