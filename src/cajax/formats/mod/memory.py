"""What a mechanism remembers beside its STATEs: variables that one block leaves and another reads."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from . import tree as t
from .design import GIVEN, Design, flats
from .faults import AtLine

BEFORE = "v_before"
"""The state that keeps the voltage of the last step, for blocks that read what BREAKPOINT has computed there."""


@final
@dataclass(frozen=True)
class Memory:
    """Variables by how they pass from block to block.

    `kept` (elements of arrays one by one) keep their values from step to step; `back` are left by BREAKPOINT for the
    SOLVE of the next step; `held` are those of `kept` that BREAKPOINT changes. `needs_initial`: whether BREAKPOINT
    reads what INITIAL computes anew each time.
    """

    kept: tuple[str, ...]
    back: tuple[str, ...]
    held: tuple[str, ...]
    needs_initial: bool


def memory(
    design: Design, given: Iterable[str], flowing: Iterable[str], written: Iterable[str] = ()
) -> Memory:
    """Return what flows between the blocks of a file.

    `given` comes from the surroundings, `flowing` are the currents; `written` is kept whatever reads it.
    """
    d, flow, file = design, design.flow, design.file
    settled = {*file.states, *(set(d.parameters) - d.owned), *file.constants, *given, *GIVEN}
    sure = flow.surely(d.after)
    unset = set(flowing) - sure  # what flows at the end all the same, as it was
    after, solved = (flow.exposed(d.after) | unset) - settled, flow.exposed(d.solved) - settled
    by_solve, by_initial, by_after = (
        flow.assigned(body) & (d.owned | {"f_flux", "b_flux"}) for body in (d.solved, file.initial, d.after)
    )
    declared = {*file.assigned, *file.parameters, *written} - set(file.states)
    again = solved & by_solve & declared
    wet = flow.tainted((*file.initial, *d.solved), ("v", "dt", "t", *given, *file.states, *again))
    kept = (after | solved) & (by_solve - (by_initial - wet))
    kept |= (after | solved) & by_initial & wet
    kept |= again | set(written)
    back = solved & by_after - by_solve
    held = by_after & (after | (solved - sure)) - (set(flowing) - unset)
    moved = flow.tainted((*d.after, *d.solved), held)
    if set(flowing) and not held & unset and not moved & ({*flowing, *file.states, *kept} - held):
        # What BREAKPOINT only counts or measures for itself, such as a peak.
        kept, held = kept - held, set()
    kept |= held
    names = [n for n in sorted(kept - (back - held)) if n in declared]
    needs_initial = bool(after & by_initial - kept)
    elements = tuple(f for n in names for f in flats(n, file.assigned.get(n, 0)))
    return Memory(elements, tuple(sorted(back)), tuple(sorted(held)), needs_initial)


def order_note(design: Design, found: Memory) -> None:
    """Note which values are those of the step before."""
    if design.solves and found.back:
        text = f"{', '.join(found.back)}: of the step before, as in NEURON's order of blocks"
        design.notes.append((design.solves[0].line, text))


def currents(file: t.File) -> tuple[str, ...]:
    """Return the names of the currents that a file gives; raises `AtLine` for kinds that do not go together."""
    own = [n for ion in file.ions for n in ion.writes if n == f"i{ion.name}"]
    if file.electrode and (own or file.nonspecific):
        beside = (*own, *file.nonspecific)[0]
        raise AtLine(1, f"ELECTRODE_CURRENT beside {beside}: NEURON turns the sign of both; write two files")
    return (*own, *file.nonspecific, *file.electrode)
