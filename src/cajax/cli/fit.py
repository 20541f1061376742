"""`cajax fit`: from a morphology and a recording to judged models and a page about them."""

from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from ..base.errors import Interrupted, ParameterError
from .options import Cores, Resume, Runs

NEEDED = ("cma", "scipy", "matplotlib")
"""Optional packages without which nothing can be searched or drawn."""

_Option = typer.Option
Morph = Annotated[str | None, typer.Argument(help="File (.swc, .asc, .h5), or: soma, ball, pyramidal.")]
Rec = Annotated[
    str | None, typer.Argument(help="File (.nwb, .abf, .ibw, .csv, .npz), or folder of .ibw pairs.")
]
Kind = Annotated[
    str | None,
    _Option(help="passive, hh, allen_perisomatic or hay.", show_default="allen_perisomatic", metavar="NAME"),
]
Minutes = Annotated[
    float | None, _Option(help="Time of the search, without compiling.", show_default="20", metavar="N")
]
Simulations = Annotated[
    int | None, _Option(help="Instead: runs of one sweep, for the same numbers anywhere.", metavar="N")
]
Sweeps = Annotated[
    str | None, _Option(help="Sweeps to fit, such as 3,5,7.", show_default="chosen", metavar="N,…")
]
HeldOut = Annotated[
    str | None, _Option(help="Sweeps to judge by only, or none.", show_default="chosen", metavar="N,…")
]
Junction = Annotated[float | None, _Option(help="Liquid-junction potential to subtract.", metavar="mV")]
Bridge = Annotated[float | None, _Option(help="Electrode resistance to balance.", metavar="MΩ")]
Channel = Annotated[str | None, _Option(help="Channel, where a file has several.", metavar="NAME")]
At = Annotated[str | None, _Option(help="Place of the electrode.", show_default="soma", metavar="REGION")]
Window = Annotated[
    str | None,
    _Option(help="Stretch of the sweeps to fit.", show_default="around the stimulus", metavar="ms,ms"),
]
Dt = Annotated[float | None, _Option(help="Time step.", show_default="0.05", metavar="ms")]
Scale = Annotated[float | None, _Option(help="µm per unit of the morphology.", show_default="1", metavar="N")]
# Without the bounds of `options.Seed`, which would make the help too wide; `Settings` checks them.
Seed = Annotated[int | None, _Option(help="Seed of all that is drawn.", show_default="0", metavar="N")]


def add_fit(app: typer.Typer, prepare: Callable[[int], None]) -> None:
    """Add the command to an application; `prepare` is told how many cores to use, before JAX starts."""

    @app.command()
    def fit(
        morphology: Morph = None,
        recording: Rec = None,
        model: Kind = None,
        minutes: Minutes = None,
        simulations: Simulations = None,
        sweeps: Sweeps = None,
        held_out: HeldOut = None,
        junction: Junction = None,
        bridge: Bridge = None,
        channel: Channel = None,
        at: At = None,
        window: Window = None,
        dt: Dt = None,
        scale: Scale = None,
        seed: Seed = None,
        runs: Runs = None,
        resume: Resume = None,
        cores: Cores = 0,
    ) -> None:
        """Fit a model of a neuron to a recording; judge it; write a page about it."""
        prepare(cores)
        _require_packages()
        options = {
            "morphology": morphology, "recording": recording, "model": model, "minutes": minutes,
            "simulations": simulations, "sweeps": _numbers(sweeps, "--sweeps"),
            "held_out": _numbers(held_out, "--held-out"), "junction": junction, "bridge": bridge, "channel": channel,
            "at": at, "window": _pair(window), "dt": dt, "scale": scale, "seed": seed,
        }  # fmt: skip
        given = {name: value for name, value in options.items() if value is not None}
        if resume is None:
            _start(given, runs or Path("runs"))
        else:
            _go_on(resume, given, runs)


def _start(given: dict[str, Any], runs: Path) -> None:
    from ..fitting.study import Settings, begun, planned

    for name in ("morphology", "recording"):
        if name not in given:
            raise ParameterError(
                "fit needs a morphology and a recording, such as: cajax fit cell.swc cell.nwb; or --resume RUN"
            )
        # A run goes on from any folder.
        given[name] = str(Path(given[name]).resolve()) if Path(given[name]).exists() else given[name]
    plan = planned(Settings(**given))
    print(_said(plan), flush=True)
    _proceed(plan, begun(plan, runs))


def _go_on(folder: Path, given: Mapping[str, Any], runs: Path | None) -> None:
    from ..fitting.study import replanned, settings_of

    known = settings_of(folder).plain()
    for name, value in given.items():
        same = Path(str(value)).resolve() == Path(str(known[name])).resolve() or value == known[name]
        if name != "minutes" and not same:
            raise ParameterError(
                f"--{name.replace('_', '-')} {value}: {folder} goes on with its own settings ({name} is {known[name]});"
                " leave it out, or start a new run without --resume"
            )
    if runs is not None and runs.resolve() != folder.resolve().parent:
        raise ParameterError(f"--runs {runs}: {folder} goes on where it is; leave out --runs, or --resume")
    plan = replanned(folder, given.get("minutes"))
    print(_said(plan), flush=True)
    _proceed(plan, folder, resumed=True)


def _proceed(plan: Any, folder: Path, resumed: bool = False) -> None:
    """Search, judge and report; Ctrl-C leaves a folder that can go on, and says how."""
    from ..fitting.study import proceed
    from ..report import report

    print(f"run folder: {folder}", flush=True)
    try:
        say = partial(print, flush=True)
        done = proceed(plan, folder, say, progress=True, resumed=resumed)
        print(done.summary(), flush=True)
        print(f"report: {report(folder)}", flush=True)
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; {folder} has all that was found: cajax fit --resume {folder}"
        ) from None


def _said(plan: Any) -> str:
    """Return in words what was read, and what was chosen."""
    recording = plan.recording
    parts = [repr(recording)]
    parts += [f"  {line}" for line in str(recording.report).splitlines()]
    return "\n".join([*parts, "", *plan.said()])


def _require_packages() -> None:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ParameterError(f"fit needs the package {missing[0]}; pip install 'cajax[fit]'")


def _numbers(text: str | None, option: str) -> tuple[int, ...] | None:
    """Return the numbers of sweeps in "3,5,7"; none of them in "none"."""
    if text is None or text.strip() == "none":
        return None if text is None else ()
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdecimal() and len(word) < 7 for word in words):
        raise ParameterError(
            f"{option} {text}: give numbers of sweeps with commas between them, such as 3,5,7"
        )
    return tuple(int(word) for word in words)


def _pair(text: str | None) -> tuple[float, float] | None:
    """Return the two times in "100,900"."""
    if text is None:
        return None
    try:
        begin, end = (float(word) for word in text.split(","))
    except ValueError:
        raise ParameterError(f"--window {text}: give begin and end in ms, such as 100,900") from None
    return begin, end
