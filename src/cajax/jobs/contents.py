"""What the JSON files of a run folder hold, by name; `base.schema` checks them, further keys may be anything."""

from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict, final

from ..base.disk import read_json
from ..base.errors import StoreError
from ..base.schema import Count, Finite, Seconds, Share, Within, conformed
from ..train.history import Steps

Number = float | None
"""A figure; what is not a number says nothing."""


@final
class JobRecord(TypedDict):
    """What a job has in `run.json`; `settings_hash` tells settings that were changed since."""

    task: str
    settings: dict[str, Any]
    data: str
    settings_hash: NotRequired[str]
    versions: NotRequired[dict[str, str]]


@final
class Check(TypedDict):
    """One entry of `checks.json`: a measurement on the way, beside it the figures of the score."""

    step: Steps
    seconds: Seconds


@final
class Control(TypedDict):
    """One entry of `controls.json`: what else learned from the same trials."""

    name: str
    parameters: NotRequired[Count | None]
    steps: NotRequired[Steps | None]
    seconds: NotRequired[Number]
    tests: dict[str, Number]


@final
class Trace(TypedDict):
    """One trial that is drawn: every `step`, in `time` (ms or samples), the data and the model in `unit`.

    `name` says which of several sites it is, `start` where its first sample lies.
    """

    trial: Count
    name: NotRequired[str]
    error: Number
    start: NotRequired[Finite]
    step: Finite
    time: str
    unit: str
    data: list[Number]
    model: list[Number]


@final
class Test(TypedDict, total=False):
    """The figures of one test, beside those of the score."""

    trials: Count
    loss: Number
    confusion: list[list[float]] | None
    traces: list[Trace]


@final
class Metrics(TypedDict, total=False):
    """`metrics.json`: the result of a run."""

    task: str
    title: str
    published: str | None
    classes: list[str]
    parameters: Count
    steps: Steps
    seconds: Seconds
    before_training: Number
    tests: dict[str, Test]
    extra: dict[str, Any]


@final
class Result(TypedDict):
    """What the summary of a run needs of `metrics.json`."""

    title: str
    published: str | None
    parameters: Count
    seconds: Seconds
    tests: dict[str, Test]


@final
class HeldBy(TypedDict):
    """What holds a memory: `separation` [time, name]."""

    times: list[Finite]
    names: list[str]
    separation: list[list[Number]]
    share: NotRequired[dict[str, Number]]


@final
class Attacked(TypedDict):
    """One model under attack, step by step."""

    steps: list[Finite]
    accuracy: list[Share]
    l2: NotRequired[list[Finite]]


@final
class Recovered(TypedDict):
    """Values of one parameter: the `true` ones, and those `before` and after (`found`) training, within bounds.

    `distance` is where each belongs (µm from the soma), for those that differ along a cell.
    """

    unit: str
    low: Finite
    high: Finite
    true: list[Finite]
    before: list[Finite]
    found: list[Finite]
    distance: NotRequired[list[Finite]]


@final
class Inside(TypedDict, total=False):
    """`inside.json`: a trained model taken apart."""

    recovered: dict[str, Recovered]
    resets: dict[str, Any]
    lesions: dict[str, Any]
    attack: dict[str, Attacked]
    held_by: HeldBy
    energy: dict[str, Any]


@final
class Recalled(TypedDict):
    """One network of `capacity.json`."""

    cells: Annotated[int, Within(1, 1e9)]
    patterns: Annotated[int, Within(1, 1e9)]
    accuracy: Share


@final
class Capacity(TypedDict, total=False):
    """`capacity.json`: how many patterns networks of several sizes recall."""

    goal: Share
    points: list[Recalled]


def read_as(path: Path, kind: Any) -> Any:
    """Return the content of a JSON file of a run; `StoreError` names the key that is not as `kind` has it."""
    try:
        return conformed(read_json(path), kind, f"{path}: ")
    except StoreError as error:
        raise StoreError(f"{error}; remove the file, and going on with the run makes it again") from None
