"""Lowering of what is painted: channels and ions, and the passive properties of membrane and cytoplasm."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..base.distributions import MEASURED, Distribution, Each
from ..base.errors import ParameterError
from ..mech import Channel, Ion, ParamSpec
from ..model.fields import Address, Field, Painted
from ..model.inserted import ChannelSites, IonSites
from ..recipe.paints import PROPERTIES, Decor, Paint, Property
from ..recipe.populations import Population
from .parameters import Parameters
from .territory import Territory, coverage


def inserted(low: Parameters, ground: Territory, decor: Decor) -> tuple[list[ChannelSites], list[IonSites]]:
    """Return the channels and ions painted on a population, in the order of their names."""
    channels, ions = [], []
    for name in sorted({p.name for p in decor.paints if p.name not in PROPERTIES}):
        paints = [p for p in decor.paints if p.name == name]
        covered, visible = coverage(ground, paints)
        last = _one_kind(name, visible)
        fields = {spec.name: _field(low, ground, spec, covered, visible) for spec in last.specs()}
        population, index = ground.layout.name, ground.start + covered
        match last:
            case Channel():
                if last.is_point:
                    _check_point(name, ground, covered)
                channels.append(ChannelSites(population, name, last.plain(), index, fields, last.outline()))
            case Ion():
                ions.append(IonSites(population, name, last.plain(), index, fields, last.species or name))
    return channels, ions


def _one_kind(name: str, visible: Sequence[tuple[Paint, np.ndarray]]) -> Channel | Ion:
    """Return the mechanism painted last; raises `ParameterError` where one name stands for several kinds."""
    last = visible[-1][0].value
    if any(type(p.value) is not type(last) for p, _ in visible):
        kinds = ", ".join(sorted({type(p.value).__name__ for p, _ in visible}))
        raise ParameterError(
            f"'{name}' is painted as {kinds}; one name is one mechanism, use different names"
        )
    return last


def _check_point(name: str, ground: Territory, covered: np.ndarray) -> None:
    if len(np.unique(ground.numbers["cell"][covered])) < len(covered):
        raise ParameterError(
            f"'{name}' is a point neuron, but its cell has several control volumes; give it one:"
            " Cell(cylinder(…)).discretize(PerBranch(1))"
        )


def _field(
    low: Parameters,
    ground: Territory,
    spec: ParamSpec,
    covered: np.ndarray,
    visible: Sequence[tuple[Paint, np.ndarray]],
) -> Field:
    painted = []
    for paint, where in visible:
        address = Address(ground.layout.name, paint.label, paint.name, spec.name)
        value, kind = getattr(paint.value, spec.name), type(paint.value).__name__
        painted.append(low.painted(address, value, spec, kind, ground.only(covered[where]), where))
    return Field(len(covered), tuple(painted))


def lengths(grounds: Sequence[Territory], populations: Sequence[Population]) -> np.ndarray:
    """Return what a painted length is compared with at every CV: its own, or its branch's unless CVs were painted."""
    found = []
    for ground, population in zip(grounds, populations, strict=True):
        every = ground.column(lambda cvs: cvs.length)
        own, branch = every, np.unique(ground.numbers["branch"], return_inverse=True)[1]
        whole = np.bincount(branch, every)[branch]
        for paint in (p for p in population.decor.paints if p.name == "length"):
            mask = ground.mask(paint.label)
            own = np.where(
                mask, every if _by_cv(paint.value, ground.only(np.flatnonzero(mask))) else whole, own
            )
        found.append(own)
    return np.concatenate(found)


def _by_cv(value: Any, ground: Territory) -> bool:
    """Whether a painted value may differ between the CVs of a branch."""
    return isinstance(value, Distribution) and value.over(ground).scope == "cv"


def properties(
    low: Parameters, grounds: Sequence[Territory], populations: Sequence[Population]
) -> dict[str, Field]:
    """Return the field [cv] of every passive property that is painted anywhere.

    Raises `ParameterError` for one that some CVs have and others lack, unless the morphology has it.
    """
    fields: dict[str, Field] = {}
    size = sum(ground.size for ground in grounds)
    measured = {"radius": np.concatenate([g.column(lambda cvs: cvs.radius) for g in grounds])}
    measured["length"] = lengths(grounds, populations)
    for name, prop in PROPERTIES.items():
        painted = [
            p
            for ground, population in zip(grounds, populations, strict=True)
            for p in _property(low, ground, population.decor, name, prop, measured.get(name))
        ]
        filled = sum(len(p.where) for p in painted)
        if prop.measured and filled:
            fields[name] = Field(size, tuple(painted), measured[name])
        elif filled == size:
            fields[name] = Field(size, tuple(painted))
        elif filled:
            raise ParameterError(
                f"'{name}' is painted on {filled} of {size} CVs; give every cell a value for it"
            )
    return fields


def _property(
    low: Parameters, ground: Territory, decor: Decor, name: str, prop: Property, measured: np.ndarray | None
) -> list[Painted]:
    """Return what is painted of one property on one population; the entries are CVs of the whole model."""
    paints = [p for p in decor.paints if p.name == name]
    if not paints:
        return []
    covered, visible = coverage(ground, paints)
    spec, found = ParamSpec(name, None, prop.unit, prop.least, None), []
    for paint, where in visible:
        at, entries = ground.only(covered[where]), ground.start + covered[where]
        value = paint.value
        if measured is not None and isinstance(value, Each) and _is_measured(value.x):
            value = Each(value.scope, at.means(value.scope, measured[entries]))
        address = Address(ground.layout.name, paint.label, name)
        painted = low.painted(address, value, spec, paint.label, at, where)
        found.append(dataclasses.replace(painted, where=entries))
    return found


def _is_measured(x: Any) -> bool:
    return isinstance(x, str) and x == MEASURED
