"""The plan of a study: everything read, chosen and built before anything is searched or written."""

import warnings
from collections import Counter
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from ...base.digest import data_hash
from ...base.errors import CajaxWarning, ParameterError
from ...model.model import Model
from ...morph import Morphology
from ..features import measure
from ..objective import Objective
from ..recipes import Recipe
from ..recordings import Recording, Sweep, read_recording
from ..terms import Features, Subthreshold, Term
from .choice import Choice, chosen_sweeps, repeats_of
from .settings import Settings
from .sources import MODELS, morphology_of

AROUND = 100.0
"""Time (ms) before and after the stimulus that is fitted by default."""
LONG = 1050.0
"""Of longer stimuli only so much (ms) is fitted by default: what a search costs is proportional to it."""


@final
@dataclass(frozen=True, eq=False)
class Plan:
    """What a study works with: files as they were read, sweeps as they were chosen, the two objectives.

    `objective` has the fitted sweeps, `held_out` the others (None where there are none), both cut to `window` (ms, ms;
    None for whole sweeps), on the grid of the runs. `notes` are what readers and recipe had to say.
    """

    settings: Settings
    morphology: Morphology
    recording: Recording
    recipe: Recipe
    choice: Choice
    window: tuple[float, float] | None
    objective: Objective
    held_out: Objective | None
    notes: tuple[str, ...]

    @property
    def model(self) -> Model:
        """The model that the search begins with."""
        return self.recipe.model

    @property
    def start(self) -> float:
        """When the runs begin, in the time of the sweeps (ms)."""
        return self.window[0] if self.window else 0.0

    def said(self) -> list[str]:
        """Return in words, a line each, what was chosen and built."""
        choice, s = self.choice, self.settings
        names = {
            use: ", ".join(map(str, numbers))
            for use, numbers in (("f", choice.fitted), ("h", choice.held_out))
        }
        stretch = f"{self.window[0]:g} to {self.window[1]:g} ms" if self.window else "whole sweeps"
        lines = [
            f"fitted: sweep {names['f']} ({choice.why}); held out: {names['h'] or 'none'}",
            f"window: {stretch}, in steps of {s.dt:g} ms, electrode at {s.at}",
            f"model: {s.model} on {self.morphology!r}, {len(self.model.area)} control volumes, "
            f"{len(self.recipe.free.globs)} free parameters",
            f"source: {self.recipe.source}",
        ]
        return [*lines, *(f"note: {note}" for note in self.notes)]

    def hashes(self) -> dict[str, str]:
        """Return what tells other data: the hashes of the morphology and of the sweeps that are used."""
        morph, both = self.morphology, [o for o in (self.objective, self.held_out) if o is not None]
        return {
            "morphology": data_hash(
                morph.parent, morph.attach, morph.offsets, morph.xyz, morph.radius, np.array(morph.tags)
            ),
            "recording": data_hash(*(x for o in both for x in (o.voltages, o.currents, o.recorded))),
        }


def planned(settings: Settings) -> Plan:
    """Read the files of a study, choose sweeps, build model and objectives.

    Raises a `CajaxError` for everything that is not as it should be, before anything is searched or written.
    """
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", CajaxWarning)
        morph = morphology_of(settings.morphology, settings.scale)
        recording = read_recording(
            settings.recording, junction=settings.junction, bridge=settings.bridge, channel=settings.channel
        )
        recipe = MODELS[settings.model](morph)
        model = recipe.model
    for warning in heard:  # others than ours go their own way
        if not issubclass(warning.category, CajaxWarning):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    said = [str(w.message) for w in heard if issubclass(w.category, CajaxWarning)]
    if not np.ndim(model.structure.sites(settings.at)) == 0:
        raise ParameterError(
            f"at '{settings.at}' there are several sites; name a place with one, such as 'soma'"
        )
    choice = chosen_sweeps(recording, settings.sweeps, settings.held_out, settings.model != "passive")
    sweeps = {k: _named(recording, k) for k in choice.used}
    window = settings.window or _around([*sweeps.values()])
    terms, told = terms_of(settings, recording, choice, window)

    def objective(numbers: tuple[int, ...]) -> Objective:
        return Objective([sweeps[k] for k in numbers], settings.at, terms, settings.dt, window)

    held_out = objective(choice.held_out) if choice.held_out else None
    notes = tuple(dict.fromkeys([*said, *told, *recipe.notes]))
    return Plan(settings, morph, recording, recipe, choice, window, objective(choice.fitted), held_out, notes)


def terms_of(
    settings: Settings, recording: Recording, choice: Choice, window: tuple[float, float] | None
) -> tuple[tuple[Term, ...], list[str]]:
    """Return the terms of the score, and what is to be said of them: features only of a model that can spike.

    Where a sweep has repeats, each feature has their mean and SD.
    """
    if settings.model == "passive":
        return (Subthreshold(pieces=100, scale=0.5),), []
    longest = max(recording[k].dt for k in choice.used)
    plain = Features(every=longest if longest > 1.5 * settings.dt else None)
    given, told = {}, []
    for number in choice.used:
        rest = choice.held_out if number in choice.fitted else choice.fitted
        repeats = repeats_of(recording, number, without=[k for k in choice.used if k in rest])
        if len(repeats) > 1:
            name = _named(recording, number).name
            given[name] = measure(
                [s if window is None else s.cropped(*window) for s in repeats], plain.features
            )
            told.append(f"sweep {number}: features have their mean and SD over {len(repeats)} repeats")
    return (replace(plain, given=given), Subthreshold()), told


def _named(recording: Recording, number: int) -> Sweep:
    """Return a sweep under a name that no other one has."""
    sweep = recording[number]
    many = Counter(other.name for other in recording)[sweep.name] > 1
    return replace(sweep, name=f"{sweep.name} ({number})") if many else sweep


def _around(sweeps: list[Sweep]) -> tuple[float, float] | None:
    """Return the stretch of time around the stimuli of all sweeps, or around the first second of long ones.

    None where some sweep has no stimulus, or that is all there is.
    """
    if not all(np.isfinite([s.on, s.off]).all() for s in sweeps):
        return None
    first, last = min(s.on for s in sweeps), max(s.off for s in sweeps)
    begin, longest = max(0.0, float(np.floor(first - AROUND))), max(s.duration for s in sweeps)
    end = last + AROUND if last - first <= LONG else first + LONG
    end = min(longest, float(np.ceil(end)))
    return None if begin == 0.0 and end == longest else (begin, end)
