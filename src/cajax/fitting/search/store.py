"""The run folder of a search: what it needs to go on, written whole, and the record of its start."""

import re
import time
from pathlib import Path
from typing import Any, final

import numpy as np

from ...base.archive import read_arrays
from ...base.digest import data_hash
from ...base.disk import is_file, write_arrays, write_json
from ...base.errors import StoreError
from ...train.store import RECORD, read_record, record
from .problem import Problem
from .stage import Arrays, Found

STATE = "search.npz"
CURVE = "search.json"
SECONDS = 5.0
"""Least time between two writes of the state."""


@final
class Folder:
    """The folder of a search; without a path nothing is written."""

    def __init__(self, path: str | Path | None) -> None:
        self.path = None if path is None else Path(path)
        self._last = 0.0

    def open(self, problem: Problem, seed: int, settings: dict[str, Any], resume: bool | None) -> Arrays:
        """Return the saved state, empty for a new search; `StoreError` where the folder is of something else."""
        if self.path is None:
            return {}
        there = is_file(self.path / RECORD)
        if resume is True and not is_file(self.path / STATE):
            raise StoreError(
                f"{self.path} holds no search to go on with; give the folder of one, or resume=None"
            )
        if there and resume is False:
            raise StoreError(
                f"{self.path} holds a run already; choose another folder, or resume=None to go on"
            )
        about = {"kind": "search", "settings": settings, "data_hash": _hash_of(problem)}
        if there:
            self._require_same(about)
        record(self.path, seed=seed, **about)
        return read_arrays(self.path / STATE, "the state of a search") if is_file(self.path / STATE) else {}

    def _require_same(self, about: dict[str, Any]) -> None:
        before: Any = read_record(self.path or "")
        if before.get("kind") != about["kind"]:
            raise StoreError(
                f"{self.path} is the folder of another kind of run; choose another folder for this search"
            )
        if before.get("data") != about["data_hash"] or before.get("settings") != about["settings"]:
            what = "settings" if before.get("data") == about["data_hash"] else "sweeps, model or bounds"
            raise StoreError(
                f"the search in {self.path} has other {what}; give the same, or choose another folder"
            )

    def save(self, found: Found, at: Arrays, stage: Arrays, now: bool = False) -> None:
        """Write the state unless that was done moments ago."""
        if self.path is None or (time.monotonic() - self._last < SECONDS and not now):
            return
        kept = {"u": found.u, "scores": found.scores, "marks": found.marks, "round": np.array(found.round)}
        stages = {f"stage_{k}": x for k, x in stage.items()}
        write_arrays(self.path / STATE, {**kept, **at, **stages})
        self._last = time.monotonic()

    def finish(self, about: dict[str, Any]) -> None:
        """Write what a report shows of the search."""
        if self.path is not None:
            write_json(self.path / CURVE, about)


def restored(found: Found, state: Arrays, parameters: int) -> Arrays:
    """Fill `found` from a saved state; return what the stage had saved. `StoreError` for a state that is damaged."""
    shapes = {
        "u": (None, parameters),
        "scores": (None,),
        "marks": (None, 2),
        "round": (),
        "at": (2,),
        "spent": (2,),
    }
    for name, shape in shapes.items():
        x = state.get(name)
        if (
            x is None
            or x.ndim != len(shape)
            or any(n not in (None, m) for n, m in zip(shape, x.shape, strict=True))
        ):
            raise StoreError(f"{STATE} is damaged: '{name}' is not as it should be; start a new search")
    if not len(state["u"]) == len(state["scores"]) == len(state["marks"]):
        raise StoreError(f"{STATE} is damaged: its candidates and scores do not match; start a new search")
    found.u, found.scores, found.marks = state["u"], state["scores"], state["marks"]
    found.round = int(state["round"])
    return {re.sub("^stage_", "", k): x for k, x in state.items() if k.startswith("stage_")}


def _hash_of(problem: Problem) -> str:
    box, objective = problem.box, problem.objective
    terms = np.array(repr(objective.terms))
    names = np.array([*box.names, *map(str, objective.places)])
    values = [np.asarray(x) for _, x in sorted(box.model.params.items())]
    return data_hash(objective.voltages, objective.currents, box.lo, box.hi, names, terms, *values)
