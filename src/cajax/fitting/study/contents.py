"""What the files of a study hold, by name; `base.schema` checks them."""

from typing import Annotated, TypedDict, final

from ...base.schema import Count, Finite, Within

SETUP = "setup.json"
RESULTS = "results.json"
TRACES = "traces.npz"
CURRENTS = "currents.npz"
POPULATION = "population.npz"
SPECTRUM = "spectrum.npz"
STAGES = "stages.json"
METRICS = "metrics.json"
SEARCH = "search"
"""The folder of the search itself."""
BEFORE, MODEL = "before.npz", "model.npz"
FEATURES_CSV, PARAMETERS_CSV, CURVE_CSV = "features.csv", "parameters.csv", "f-i.csv"
KIND, TASK = "study", "recording"
"""What `run.json` says of a study."""

Number = Finite | None


@final
class SweepRow(TypedDict):
    """One sweep of the recording, and what it is used for: "fitted", "held out" or ""."""

    number: Count
    name: str
    kind: str
    mode: str
    on: Number
    off: Number
    amplitude: Finite
    holding: Finite
    duration: Finite
    dt: Finite
    least: Finite
    most: Finite
    spikes: Count
    use: str


@final
class Setup(TypedDict):
    """`setup.json`: what was read and chosen."""

    recording: str
    sweeps: list[SweepRow]
    exact: list[str]
    approximated: list[str]
    refused: list[str]
    morphology: str
    shape: str
    cvs: Count
    model: str
    source: str
    notes: list[str]
    why: str
    window: list[Finite] | None
    terms: list[str]
    at: str


@final
class FeatureRow(TypedDict):
    """One feature of one sweep: measured mean and SD, the best model's value and z, the range over accepted ones."""

    sweep: Count
    use: str
    term: str
    order: Count
    name: str
    unit: str
    mean: Number
    sd: Number
    value: Number
    z: Finite
    least: Number
    most: Number


@final
class ParameterRow(TypedDict):
    """One parameter: its bounds, value, share of the way between the bounds, and intervals in its unit."""

    name: str
    unit: str
    lo: Finite
    hi: Finite
    logarithmic: bool
    value: Finite
    u: Annotated[float, Within(-1e-3, 1.001)]
    laplace: list[Finite] | None
    accepted: list[Finite] | None


@final
class Curve(TypedDict):
    """Spikes a second against amplitude (nA): of the data, of the best model, and their range over accepted models."""

    data: list[list[Finite]]
    fitted: list[bool]
    amplitudes: list[Finite]
    best: list[Finite]
    least: list[Finite]
    most: list[Finite]


@final
class Carried(TypedDict):
    """What one current carries on average (nA, outward): in spikes, and between them."""

    name: str
    spike: Number
    between: Number


@final
class PairRow(TypedDict):
    """Two parameters that go together in the accepted population: correlation, and the interval of it."""

    one: str
    other: str
    r: Finite
    lo: Finite
    hi: Finite


@final
class Population(TypedDict):
    """How many models are accepted: every compared residual within `sd` standard deviations (None: none is)."""

    sd: Number
    count: Count
    shown: Count


@final
class Results(TypedDict, total=False):
    """`results.json`: what came of it."""

    scores: dict[str, Finite]
    within: dict[str, list[Count]]
    features: list[FeatureRow]
    parameters: list[ParameterRow]
    curve: Curve
    currents: list[Carried]
    currents_sweep: Count
    population: Population
    pairs: list[PairRow]
    missing: list[str]


@final
class StageMark(TypedDict):
    """When a stage of the search began: its name, how many candidates were known, and the seconds of the search."""

    name: str
    candidates: Count
    seconds: Finite
