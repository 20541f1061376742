"""What the page of a study is composed of: its files, checked; what is missing or damaged is said in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np

from ..base.archive import read_arrays
from ..base.disk import is_file, read_json
from ..base.errors import CajaxError, StoreError
from ..base.schema import conformed, salvaged
from ..fitting.study.contents import (
    CURRENTS,
    POPULATION,
    RESULTS,
    SETUP,
    SPECTRUM,
    TRACES,
    Results,
    Setup,
    StageMark,
)
from ..fitting.study.stages import stage_marks
from .folder import Run, read_run
from .recording_state import curve

Arrays = Mapping[str, np.ndarray]

_SHAPES: dict[str, dict[str, tuple[str, str]]] = {
    TRACES: {
        "t_ms": ("time", "f"), "sweep": ("sweep", "iu"), "fitted": ("sweep", "b"),
        "recorded_mV": ("sweep time", "f"), "current_nA": ("sweep time", "f"), "best_mV": ("sweep time", "f"),
        "others_mV?": ("model sweep time", "f"),
    },
    CURRENTS: {
        "t_ms": ("time", "f"), "v_mV": ("time", "f"), "names": ("current", "U"), "i_nA": ("current time", "f"),
        "injected_nA": ("time", "f"), "peaks": ("peak", "iu"), "stimulus_ms": ("two", "f"),
    },
    POPULATION: {
        "u": ("model parameter", "f"), "values": ("model parameter", "f"), "accepted": ("model", "b"),
        "names": ("parameter", "U"), "units": ("parameter", "U"), "lo": ("parameter", "f"), "hi": ("parameter", "f"),
        "logarithmic": ("parameter", "b"),
    },
    SPECTRUM: {
        "names": ("parameter", "U"), "eigenvalues": ("direction", "f"),
        "directions": ("parameter direction", "f"), "correlation": ("parameter parameter", "f"),
        "deviations": ("direction", "f"), "said": ("direction", "U"),
    },
}  # fmt: skip
"""File → array → its axes, and the kinds of its type; a "?" ends the name of one that may be missing."""


@final
@dataclass(frozen=True)
class Fitted:
    """What there is of a study; parts that are not there are None or empty. `missing` says in words what is not."""

    run: Run
    setup: Setup | None = None
    results: Results = field(default_factory=Results)
    traces: Arrays | None = None
    currents: Arrays | None = None
    population: Arrays | None = None
    spectrum: Arrays | None = None
    curve: np.ndarray | None = None
    marks: tuple[StageMark, ...] = ()
    missing: tuple[str, ...] = ()


def gathered(folder: str | Path) -> Fitted:
    """Read the run folder of a study; `StoreError` for a folder that holds no run."""
    run = read_run(folder)
    faults = list(run.faults)
    folder = Path(folder)
    setup = _tried(lambda: conformed(read_json(folder / SETUP), Setup, f"{SETUP}: "), faults)
    results: Any = {}
    if is_file(folder / RESULTS):
        content = _tried(lambda: read_json(folder / RESULTS), faults)
        results = {} if content is None else salvaged(content, Results, f"{RESULTS}: ", faults)
        faults += results.get("missing", [])
    elif run.tested:
        faults.append(f"There is no {RESULTS}.")
    names = {"traces": TRACES, "currents": CURRENTS, "population": POPULATION, "spectrum": SPECTRUM}
    arrays: dict[str, Any] = {key: _arrays(folder / name, faults) for key, name in names.items()}
    went = curve(folder, faults)
    return Fitted(
        run, setup, results, **arrays, curve=went, marks=tuple(stage_marks(folder)), missing=tuple(faults)
    )


def _tried(make: Any, faults: list[str]) -> Any:
    try:
        return make()
    except CajaxError as error:
        faults.append(str(error))
        return None


def _arrays(path: Path, faults: list[str]) -> Arrays | None:
    """Return the arrays of a file where all have the axes that they should have."""
    if not is_file(path):
        return None
    return _tried(lambda: _shaped(read_arrays(path), _SHAPES[path.name], path.name), faults)


def _shaped(found: dict[str, np.ndarray], wanted: dict[str, tuple[str, str]], name: str) -> Arrays:
    sizes: dict[str, int] = {}
    for key, (axes, kinds) in wanted.items():
        own = key.removesuffix("?")
        if own not in found:
            if key != own:
                continue
            raise StoreError(f"{name} has no '{own}'; go on with the run, and it is made again")
        x = found[own]
        words = axes.split()
        shape = tuple(sizes.setdefault(axis, n) for axis, n in zip(words, x.shape, strict=False))
        if (
            x.ndim != len(words)
            or x.shape != shape
            or x.dtype.kind not in kinds
            or 0 in (n for n, axis in zip(x.shape, words, strict=True) if axis != "peak")
        ):
            raise StoreError(
                f"{name}: '{own}' is {x.dtype}{list(x.shape)}, which does not fit the other arrays"
            )
    return found
