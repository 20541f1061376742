"""Where a study gets its shape and its channels from: files, built-in cells, recipes by name."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from ...base.checks import shown
from ...base.errors import ParameterError
from ...morph import Morphology, ball_and_stick, cylinder, pyramidal, read_morphology
from .. import recipes
from ..recipes import Recipe

BUILT_IN: Mapping[str, Callable[[], Morphology]] = {
    "soma": partial(cylinder, 20.0, 10.0),
    "ball": ball_and_stick,
    "pyramidal": partial(pyramidal, 0),
}
"""Name → a cell that needs no file: one compartment of 20 × 20 µm, a soma with a dendrite, a pyramidal cell."""

MODELS: Mapping[str, Callable[[Morphology], Recipe]] = {
    "passive": recipes.passive,
    "hh": recipes.hh,
    "allen_perisomatic": recipes.allen_perisomatic,
    "hay": partial(recipes.hay, membrane=True),
}
"""Name → recipe. The membrane of Hay's cell is free: that of a recorded cell is not known."""


def chosen_model(name: object) -> str:
    """Return the name of a recipe; `ParameterError` for any other."""
    if not isinstance(name, str) or name not in MODELS:
        raise ParameterError(f"there is no model {shown(name)}; choose one of {', '.join(MODELS)}")
    return name


def morphology_of(name: str, scale: float) -> Morphology:
    """Return the morphology in a file, or the built-in one of that name; a file counts first."""
    if name in BUILT_IN and not os.path.exists(name):
        return BUILT_IN[name]()
    if not os.path.exists(name) and not Path(name).suffix:
        raise ParameterError(
            f"there is no morphology '{name}'; give a file (.swc, .asc, .h5), or one of {', '.join(BUILT_IN)}"
        )
    return read_morphology(name, scale=scale)
