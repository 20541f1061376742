"""Reading a run folder, of a job or a plain fit: what is missing or damaged is said in words, the rest is used."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np

from ..base.disk import read_json
from ..base.errors import StoreError
from ..jobs import Classified, Figure
from ..train import History
from ..train.fitted import PARAMETERS, read_parameters
from ..train.store import read_record
from ..train.table import ParameterTable


@final
@dataclass(frozen=True)
class StageRun:
    """One stage of a training: its history (None while there is none) and its checks on the way."""

    name: str
    history: History | None
    checks: tuple[dict[str, Any], ...] = ()
    kept: int = 0

    @property
    def steps(self) -> int:
        """How many steps are known to be made."""
        return self.history.steps if self.history else max([self.kept, *(c["step"] for c in self.checks)])


@final
@dataclass(frozen=True)
class Run:
    """All that a run folder holds in words and numbers; parts that are not there are empty.

    `faults` says in words what is there but cannot be read.
    """

    folder: Path
    record: dict[str, Any]
    stages: tuple[StageRun, ...] = ()
    metrics: dict[str, Any] = field(default_factory=dict)
    controls: tuple[dict[str, Any], ...] = ()
    inside: dict[str, Any] = field(default_factory=dict)
    capacity: dict[str, Any] = field(default_factory=dict)
    parameters: ParameterTable | None = None
    faults: tuple[str, ...] = ()

    @property
    def task(self) -> str:
        """The name of the job."""
        unknown = "fit" if self.plain else "unknown"
        return str(self.record.get("task") or self.metrics.get("task") or unknown)

    @property
    def plain(self) -> bool:
        """Whether this is a plain fit: a loss that was reduced, without trials and tests."""
        return self.record.get("kind") == "fit" or not self.record.get("task")

    @property
    def headline(self) -> Figure:
        """The figure that stands for all: what the record says, else the loss of a fit, else what jobs had at first."""
        score = self.record.get("score")
        named = Figure.read(score.get("headline")) if isinstance(score, dict) else None
        return named or (Figure("loss") if self.plain else Classified(()).headline)

    @property
    def loss_figure(self) -> Figure:
        """How the loss is written."""
        score = self.record.get("score")
        named = Figure.read(score.get("loss")) if isinstance(score, dict) else None
        return named or (Figure("loss") if self.plain else Classified(()).loss_figure)

    @property
    def tests(self) -> dict[str, dict[str, Any]]:
        """Name → figures of a test; the first one has the figure of the job."""
        tests = self.metrics.get("tests")
        return {k: v for k, v in tests.items() if isinstance(v, dict)} if isinstance(tests, dict) else {}

    @property
    def figure(self) -> float | None:
        """The headline figure of the first test; the last loss of a plain fit."""
        if self.plain:
            losses = [x for stage in self.stages if stage.history for x in stage.history.losses[-1:]]
            return number(losses[-1]) if losses else None
        return self.value(next(iter(self.tests.values()), {}))

    def value(self, figures: Any) -> float | None:
        """Return the headline figure among the figures of a test."""
        return number(figures.get(self.headline.name)) if isinstance(figures, dict) else None

    @property
    def steps(self) -> int:
        """How many steps were made."""
        return sum(stage.steps for stage in self.stages) or int(number(self.metrics.get("steps")) or 0)

    @property
    def seconds(self) -> float | None:
        """The time (s) spent in the steps."""
        known = number(self.metrics.get("seconds"))
        spent = sum(sum(s.history.seconds) for s in self.stages if s.history)
        return known if known is not None else spent or None

    @property
    def size(self) -> int | None:
        """How many numbers were trained."""
        known = self.metrics.get("parameters")
        if known is None and self.parameters is not None:
            return self.parameters.count
        return known if isinstance(known, int) else None

    @property
    def state(self) -> str:
        """Return "finished", "interrupted", "diverged" or "training"."""
        last = next((s.history.stopped for s in reversed(self.stages) if s.history), "")
        if last in ("diverged", "interrupted"):
            return last
        if self.metrics or (self.plain and last in ("finished", "enough", "callback")):
            return "finished"
        return "training" if _is_written(self.folder) else "interrupted"


def number(x: Any) -> float | None:
    """Return `x` as a finite number, or None."""
    if isinstance(x, bool) or not isinstance(x, int | float):
        return None
    return float(x) if np.isfinite(x) else None


def _is_written(folder: Path, within: float = 300.0) -> bool:
    """Whether something in the folder changed in the last `within` seconds: then a process is at work."""
    import time

    times = [p.stat().st_mtime for p in [folder, *_walk(folder)] if p.exists()]
    return time.time() - max(times, default=0.0) < within


def _walk(folder: Path) -> Iterator[Path]:
    yield from (p for p in folder.glob("*"))
    yield from (p for p in folder.glob("stages/*/*"))
    yield from (p for p in folder.glob("stages/*/checkpoints/*"))


def read_run(folder: str | Path) -> Run:
    """Read what a run folder holds; `StoreError` for a folder that is none or whose record cannot be read."""
    folder = Path(folder)
    record = read_record(folder)
    faults: list[str] = []
    return Run(
        folder,
        record,
        tuple(_stages(folder, faults)),
        _part(folder / "metrics.json", dict, faults),
        tuple(c for c in _part(folder / "controls.json", list, faults) if isinstance(c, dict)),
        _part(folder / "inside.json", dict, faults),
        _part(folder / "capacity.json", dict, faults),
        _parameters(folder, faults),
        tuple(faults),
    )


def _part(path: Path, kind: type, faults: list[str]) -> Any:
    """Return the content of a JSON file, or an empty one where it is missing or not of this kind."""
    if not path.is_file():
        return kind()
    try:
        found = read_json(path)
    except StoreError as error:
        faults.append(str(error))
        return kind()
    if isinstance(found, kind):
        return found
    faults.append(f"{path.name} holds a {type(found).__name__}, not a {kind.__name__}")
    return kind()


def _parameters(folder: Path, faults: list[str]) -> ParameterTable | None:
    if not (folder / PARAMETERS).is_file():
        return None
    try:
        return read_parameters(folder)
    except StoreError as error:
        faults.append(str(error))
        return None


def _stages(folder: Path, faults: list[str]) -> Iterator[StageRun]:
    def order(place: Path) -> tuple[int, str]:
        head = place.name.split("-")[0]
        return (int(head) if head.isdecimal() else 0, place.name)

    if (folder / "history.json").is_file() or (folder / "checkpoints").is_dir():  # of a plain fit
        yield _stage(folder, "fit", faults)
    for place in sorted((p for p in folder.glob("stages/*") if p.is_dir()), key=order):
        yield _stage(place, place.name.split("-", 1)[-1], faults)


def _stage(place: Path, name: str, faults: list[str]) -> StageRun:
    kept = [int(p.name) for p in place.glob("checkpoints/*") if p.name.isdecimal()]
    checks = [c for c in _part(place / "checks.json", list, faults) if _is_check(c)]
    return StageRun(name, _history(place / "history.json", faults), tuple(checks), max(kept, default=0))


def _is_check(entry: Any) -> bool:
    return isinstance(entry, dict) and all(number(entry.get(k)) is not None for k in ("step", "seconds"))


def _history(path: Path, faults: list[str]) -> History | None:
    found = _part(path, dict, faults)
    if not found:
        return None
    try:
        history = History.from_json(found)
        np.asarray([history.losses, history.grad_norms, history.seconds], float)
        return history
    except (StoreError, TypeError, ValueError):
        faults.append(f"{path.parent.name}/{path.name} is not the history of a fit")
        return None
