"""What a recipe is: a cell, the parameters that are fitted within bounds, and where both come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

from ...base.checks import number, of_kind, shown
from ...base.errors import ParameterError
from ...cell import Cell
from ...model.model import Model
from ...morph import MaxLength, Morphology, Policy
from ...train.bijections import bounded
from ...train.free import Free

Bounds = Mapping[str, tuple[float, float]]
"""Path → lowest and highest value, in the unit of the parameter."""

POLICY = MaxLength(40.0)
"""Unless the caller asks for others, control volumes of at most 40 µm, about those of the published fits."""


@final
@dataclass(frozen=True, eq=False)
class Recipe:
    """A kind of model on a morphology, ready to be fitted.

    `free` keeps every fitted parameter between bounds; the values of `cell` lie within them. `passive` are globs of the
    parameters that decide the passive membrane, fitted or not. `source` says where channels and bounds are published,
    `notes` what was done about this morphology and what has no published source.
    """

    cell: Cell
    free: Free
    policy: Policy
    passive: tuple[str, ...]
    source: str
    notes: tuple[str, ...] = ()

    @cached_property
    def model(self) -> Model:
        """The cell with control volumes by `policy`."""
        return self.cell.discretize(self.policy)

    def __repr__(self) -> str:
        return f"Recipe({len(self.free.globs)} free parameters on {self.cell.morph!r}; {self.source})"


def assemble(
    cell: Cell,
    bounds: Bounds,
    policy: Policy,
    passive: tuple[str, ...],
    source: str,
    notes: tuple[str, ...] = (),
) -> Recipe:
    """Return the recipe of a cell whose free parameters are those of `bounds` that it has."""
    recipe = Recipe(cell, Free({}), policy, passive, source, notes)
    model = recipe.model
    free = Free({path: bounded(*ends) for path, ends in bounds.items() if path in model.params})
    found = Recipe(cell, free, policy, passive, source, notes)
    found.__dict__["model"] = model  # it is made already, and the same
    return found


def checked_morphology(morph: Any, caller: str) -> Morphology:
    """Return a morphology; `ParameterError` for anything else."""
    return of_kind(morph, Morphology, f"{caller}: morph", "a morphology such as read_morphology(path)")


def checked_temperature(celsius: Any, caller: str) -> float:
    """Return a temperature in °C; `ParameterError` for anything else."""
    return number(celsius, "degC", f"{caller}: temperature", above=-273.15)


def chosen(value: Any, known: tuple[str, ...], name: str) -> str:
    """Return one of the words `known`; `ParameterError` for anything else."""
    if value not in known:
        raise ParameterError(f"{name} = {shown(value)} is not one of {', '.join(map(repr, known))}")
    return value
