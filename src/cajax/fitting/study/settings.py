"""What decides a study: the files, the kind of model, which sweeps, how they are read, and how long is searched."""

import math
from dataclasses import asdict, dataclass
from typing import Any, final

from ...base import checks
from ...base.errors import ParameterError
from ..objective import SPIKE_SAFE
from .sources import chosen_model

MINUTES = 20.0


@final
@dataclass(frozen=True)
class Settings:
    """Everything that decides a study, as plain values.

    `morphology`: a file that `read_morphology` takes, its numbers times `scale`, or the name of a built-in cell;
    `recording`: what `read_recording` takes. `sweeps` and `held_out` are numbers of sweeps, chosen where they are None.
    `junction` (mV), `bridge` (MΩ) and `channel` are those of `read_recording`; `at` is the place of the electrode;
    `window` (ms, ms) the stretch of every sweep that is fitted, by default around the stimulus; `dt` (ms) the time
    step. The search takes `minutes`, or `simulations` of one sweep each. Raises `ParameterError` for what makes no
    sense.
    """

    morphology: str
    recording: str
    model: str = "allen_perisomatic"
    minutes: float | None = None
    simulations: int | None = None
    sweeps: tuple[int, ...] | None = None
    held_out: tuple[int, ...] | None = None
    junction: float = 0.0
    bridge: float = 0.0
    channel: str | None = None
    at: str = "soma"
    window: tuple[float, float] | None = None
    dt: float = 0.05
    scale: float = 1.0
    seed: int = 0
    lanes: int = 32
    columns: int = 8

    def __post_init__(self) -> None:
        put: Any = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731
        chosen_model(self.model)
        for name in ("morphology", "recording", "at"):
            checks.text(getattr(self, name), name)
        for name, unit in (("junction", "mV"), ("bridge", "Mohm")):
            put(name, checks.number(getattr(self, name), unit, name))
        put("dt", checks.number(self.dt, "ms", "dt", above=0.0, most=SPIKE_SAFE))
        put("scale", checks.number(self.scale, "1", "scale", above=0.0))
        checks.count(self.seed, "seed", least=0, most=2**32 - 1)
        for name in ("lanes", "columns"):
            checks.count(getattr(self, name), name)
        if self.minutes is None and self.simulations is None:
            put("minutes", MINUTES)
        if self.minutes is not None:
            put("minutes", checks.number(self.minutes, "1", "minutes", above=0.0))
        if self.simulations is not None:
            checks.count(self.simulations, "simulations")
        for name in ("sweeps", "held_out"):
            put(name, _numbers(getattr(self, name), name))
        if not self.sweeps and self.sweeps is not None:
            raise ParameterError("sweeps: name at least one sweep to fit, by its number in the table")
        both = sorted(set(self.sweeps or ()) & set(self.held_out or ()))
        if both:
            raise ParameterError(f"sweep {both[0]} cannot be fitted and held out; name it once")
        put("window", _window(self.window))

    def plain(self) -> dict[str, Any]:
        """Return the settings as a dictionary for `run.json`."""
        return asdict(self)


def _numbers(x: Any, name: str) -> tuple[int, ...] | None:
    """Return numbers of sweeps, each once; None as it is."""
    if x is None:
        return None
    listed = [x] if isinstance(x, int) else list(x)
    return tuple(dict.fromkeys(checks.count(k, name, least=0) for k in listed))


def _window(x: Any) -> tuple[float, float] | None:
    """Return begin and end of a stretch of time (ms); None as it is."""
    if x is None:
        return None
    ends = [checks.number(t, "ms", "window", least=0.0) for t in tuple(x)]
    if len(ends) != 2 or not ends[0] < ends[1] or not math.isfinite(ends[1]):
        raise ParameterError("window: give its begin and end in ms, such as 100,900")
    return ends[0], ends[1]
