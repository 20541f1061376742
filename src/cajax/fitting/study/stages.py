"""When the stages of a search began: each says so in a file before it begins, so that a report can show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from ...base.disk import is_file, read_json, write_json
from ...base.errors import StoreError
from ...base.schema import conformed
from ..search import Stage
from ..search.stage import Runner, Work
from .contents import STAGES, StageMark


@final
@dataclass(frozen=True)
class Noted(Stage):
    """A stage that notes in `folder` when it begins; otherwise the stage itself."""

    stage: Stage
    folder: Path = field(repr=False)

    def begin(self, work: Work, saved: Mapping[str, Any]) -> Runner:
        known = len(work.found.scores)
        # A search that was killed goes on from an earlier state, and its stages begin once more.
        marks = [m for m in stage_marks(self.folder) if m["candidates"] <= known]
        name = type(self.stage).__name__
        mark: StageMark = {"name": name, "candidates": known, "seconds": float(work.clock.seconds)}
        if not (saved and marks and marks[-1]["name"] == name):
            write_json(self.folder / STAGES, [*marks, mark])
        return self.stage.begin(work, saved)


def noted(stages: Sequence[Stage], folder: Path) -> list[Stage]:
    """Return stages that note in a folder when they begin."""
    return [Noted(stage, folder) for stage in stages]


def stage_marks(folder: Path) -> list[StageMark]:
    """Return what the stages of a search have noted; nothing where there is no file, or it is damaged."""
    path = folder / STAGES
    try:
        return conformed(read_json(path), list[StageMark], f"{STAGES}: ") if is_file(path) else []
    except StoreError:
        return []
