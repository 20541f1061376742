"""How far a study (`cajax fit`) has come: what its search has left on disk while there are no results."""

from pathlib import Path
from typing import Any

import numpy as np

from ..base.archive import read_arrays
from ..base.disk import is_file
from ..base.errors import CajaxError, StoreError
from ..fitting.study.contents import KIND, SEARCH
from ..jobs.contents import Metrics

STATE = "search.npz"


def is_study(record: Any) -> bool:
    """Whether the record of a run is that of a study."""
    return record.get("kind") == KIND


def curve(folder: Path, faults: list[str]) -> np.ndarray | None:
    """Return how a search went, rows (sweeps, seconds, score) of every candidate; None while it has left nothing."""
    path = folder / SEARCH / STATE
    try:
        if not is_file(path):
            return None
        found = read_arrays(path, "the state of a search")
        scores, marks = found.get("scores"), found.get("marks")
        if scores is None or marks is None or not len(scores) or marks.shape != (len(scores), 2):
            raise StoreError(f"{path.name} has no scores with their times; it is damaged")
        return np.column_stack([marks, scores])
    except CajaxError as error:
        faults.append(str(error))
        return None


def so_far(folder: Path, faults: list[str]) -> Metrics:
    """Return the figures of a study that is not finished: the best score of its search so far."""
    found = curve(folder, faults)
    if found is None:
        return {}
    runs, seconds = (float(x) for x in found[-1, :2])
    best: Any = {"score": float(found[:, 2].min())}
    return {"steps": int(runs), "seconds": seconds, "tests": {"fitted sweeps": best}}
