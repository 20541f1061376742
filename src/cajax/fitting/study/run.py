"""A study from its plan to its folder: search, judge, write everything that a report shows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import jax.numpy as jnp
import numpy as np

from ...base.disk import write_arrays, write_json
from ...base.errors import CajaxError, Interrupted, ParameterError, StoreError
from ...base.lock import claimed
from ...base.schema import conformed
from ...model.files import save
from ...model.model import Model
from ...train.store import new_run, read_record, record
from ..infer import Spectrum, spectrum
from ..search import Result, Stage, search
from ..search.front import STAGES
from .contents import (
    BEFORE,
    CURRENTS,
    KIND,
    METRICS,
    MODEL,
    POPULATION,
    RESULTS,
    SEARCH,
    SPECTRUM,
    TASK,
    TRACES,
    PairRow,
    ParameterRow,
    Results,
)
from .currents import currents
from .judge import f_i_curve, feature_rows, within
from .members import LEVELS, Members, members
from .plan import Plan, planned
from .protocols import Protocols
from .settings import Settings
from .stages import noted
from .write import stacked, write_curve, write_features, write_parameters, write_setup

NAME = "fit"
SHOWN = 8
"""Models whose traces are kept beside the best one's."""
PAIRS = 8
"""Compensating pairs that are kept."""
NEAR = 1.5
"""Where no model is accepted, those are shown whose score is at most so many times the best one."""
Say = Callable[[str], None]


@final
class Study:
    """A finished study: its `folder` and `plan`, the `result` of the search, the `members` judged, all `results`."""

    def __init__(self, folder: Path, plan: Plan, result: Result, members: Members, results: Results) -> None:
        self.folder, self.plan, self.result, self.members, self.results = (
            folder,
            plan,
            result,
            members,
            results,
        )

    @property
    def model(self) -> Model:
        """The best model."""
        return self.result.model

    def summary(self) -> str:
        """Return in a few lines how good the best model is."""
        lines = []
        for use, score in self.results.get("scores", {}).items():
            good, all_of = self.results.get("within", {}).get(use, [0, 0])
            lines.append(f"{use}: score {score:.3g}; {good} of {all_of} residuals within {LEVELS[0]:g} SD")
        count = int(self.members.population[1].sum())
        sd = self.members.sd
        accepted = f"{count} models are accepted: all within {sd:g} SD" if sd else "no model is accepted"
        return "\n".join([*lines, accepted])

    def __repr__(self) -> str:
        scores = ", ".join(f"{use} {score:.4g}" for use, score in self.results.get("scores", {}).items())
        return f"Study({self.folder}: score of {scores}; {int(self.members.population[1].sum())} models accepted)"


def _quiet(text: str) -> None:
    pass


def study(
    morphology: str | Path,
    recording: str | Path,
    *,
    runs: str | Path = "runs",
    progress: bool | None = None,
    **settings: Any,
) -> Study:
    """Fit a kind of model on a morphology to a recording; judge it, and leave all in a new folder in `runs`.

    `settings` are the fields of `Settings`: model, minutes, sweeps, held_out, … Raises a `CajaxError` for what is not
    as it should be, before anything is written; `Interrupted` after Ctrl-C, and `resume` goes on.
    """
    plan = planned(Settings(str(morphology), str(recording), **settings))
    return proceed(plan, begun(plan, runs), progress=progress)


def resume(
    folder: str | Path,
    minutes: float | None = None,
    simulations: int | None = None,
    progress: bool | None = None,
) -> Study:
    """Go on with a study by its own settings, also one that is finished: with more `minutes` it searches on."""
    folder = Path(folder)
    plan = replanned(folder, minutes, simulations)
    return proceed(plan, folder, progress=progress, resumed=True)


def begun(plan: Plan, runs: str | Path) -> Path:
    """Return a new run folder with the record of everything that decides the study."""
    folder = new_run(runs, NAME)
    _record(plan, folder)
    write_setup(plan, folder)
    save(folder / BEFORE, plan.model)
    return folder


def _record(plan: Plan, folder: Path) -> None:
    figure = {"unit": "", "more_is_better": False, "chance": None}
    sentence = "The {name} on {test} ({trials} of them) is {value}"
    headline = {"name": "score", **figure, "sentence": sentence}
    record(
        folder, seed=plan.settings.seed, kind=KIND, task=TASK, settings=plan.settings.plain(), hashes=plan.hashes(),
        data_hash=plan.hashes()["recording"], score={"headline": headline, "loss": {**headline, "name": "score"}},
    )  # fmt: skip


def settings_of(folder: Path) -> Settings:
    """Return the settings of a run folder; `StoreError` for a folder that is not of a study, or was changed."""
    entry: Any = read_record(folder)
    if entry.get("kind") != KIND:
        raise StoreError(
            f"{folder} is the folder of another kind of run, not of 'cajax fit'; give one of its folders"
        )
    try:
        return conformed(entry.get("settings"), Settings, "settings")
    except (ParameterError, StoreError) as error:
        raise StoreError(f"{folder / 'run.json'} is damaged: {error}; start a new run") from None


def replanned(folder: Path, minutes: float | None = None, simulations: int | None = None) -> Plan:
    """Return the plan of a run folder; `StoreError` where files have other data than the study began with.

    `minutes` may be others than those that it began with.
    """
    known = settings_of(folder)
    given = known.plain()
    if simulations is not None and simulations != known.simulations:
        raise ParameterError(
            f"{folder} goes on with its own settings (simulations is {known.simulations}); leave it out, or start a"
            " new run"
        )
    if minutes is not None:
        given["minutes"] = minutes
    plan = planned(Settings(**given))
    before: Any = read_record(folder).get("hashes")
    for name, found in plan.hashes().items():
        if not isinstance(before, dict) or before.get(name) != found:
            then = str(before.get(name) if isinstance(before, dict) else None)
            raise StoreError(
                f"the {name} {given[name]} is not the one that {folder} began with ({then[:15]}… there, {found[:15]}…"
                " now); put it back, or start a new run"
            )
    return plan


def proceed(
    plan: Plan,
    folder: Path,
    say: Say = _quiet,
    progress: bool | None = None,
    stages: tuple[Stage, ...] = STAGES,
    resumed: bool = False,
) -> Study:
    """Search, or go on with it, then judge what was found and write it; a study that is finished is judged again.

    That it was `resumed` is added to its record.
    """
    s = plan.settings
    spent = f"{s.minutes:g} minutes" if s.simulations is None else f"{s.simulations:,} simulated sweeps"
    with claimed(folder):
        if resumed:
            _record(plan, folder)
        say(f"compiling, then searching for {spent}")
        result = search(
            plan.objective, plan.model, plan.recipe.free, minutes=s.minutes, simulations=s.simulations,
            stages=noted(stages, folder), passive=plan.recipe.passive, lanes=s.lanes, columns=s.columns, seed=s.seed,
            run=folder / SEARCH, progress=progress,
        )  # fmt: skip
        if result.stopped == "interrupted":
            raise Interrupted(f"interrupted; {folder} has all that was found: cajax fit --resume {folder}")
        say("judging the best models, and growing a population of accepted ones")
        return judged(plan, folder, result, progress)


def judged(plan: Plan, folder: Path, result: Result, progress: bool | None = None) -> Study:
    """Judge what a search found on fitted and held-out sweeps, and write everything that a report shows."""
    samples = max(o.samples for o in (plan.objective, plan.held_out) if o is not None)
    protocols = Protocols(result.problem.box, plan.objective, samples, plan.settings.lanes)
    found = members(plan, result, protocols, progress)
    chosen = _chosen(found)
    results: Results = {
        "scores": {use: float(scores[0]) for use, scores in found.scores.items()},
        "within": {use: within(r, _objective(plan, use), LEVELS[0]) for use, r in found.residuals.items()},
        "features": [
            row
            for use, r in found.residuals.items()
            for row in feature_rows(_objective(plan, use), _numbers(plan, use), use, r, found.accepted)
        ],
        "population": {"sd": found.sd, "count": int(found.population[1].sum()), "shown": len(chosen)},
        "pairs": _pairs(found),
    }
    results["parameters"] = _parameters(result, found, _spectrum(result, folder, results))
    spiking = plan.settings.model != "passive"
    curve = f_i_curve(plan, protocols, found.u[0], found.u[chosen]) if spiking else None
    if curve is not None:
        results["curve"] = curve
        write_curve(curve, folder)
    _write_traces(plan, found, chosen, folder)
    _write_currents(plan, result, results, folder)
    _write_population(result, found, folder)
    write_features(results.get("features", []), folder)
    write_parameters(results.get("parameters", []), folder)
    save(folder / MODEL, result.model)
    write_json(folder / RESULTS, results)
    _write_metrics(plan, result, found, folder)
    return Study(folder, plan, result, found, results)


def _objective(plan: Plan, use: str) -> Any:
    return plan.objective if use == "fitted" else plan.held_out


def _numbers(plan: Plan, use: str) -> tuple[int, ...]:
    return plan.choice.fitted if use == "fitted" else plan.choice.held_out


def _chosen(found: Members) -> np.ndarray:
    """Return which members are shown beside the best one: accepted ones, or where none is, those nearly as good."""
    near = found.scores["fitted"] <= NEAR * found.scores["fitted"][0]
    others = np.flatnonzero(found.accepted if found.sd is not None else near)
    return others[others > 0][:SHOWN]


def _spectrum(result: Result, folder: Path, results: Results) -> Spectrum | None:
    """Return the spectrum at the best model, and write it; None where the run there fails, which is said."""
    try:
        found = spectrum(result)
    except CajaxError as error:
        results["missing"] = [str(error)]
        return None
    said = np.array([found.named(k) for k in range(len(found.eigenvalues))])
    write_arrays(
        folder / SPECTRUM,
        {
            "names": np.array(found.box.names), "eigenvalues": found.eigenvalues, "directions": found.directions,
            "deviations": found.deviations, "said": said, "correlation": found.correlations(),
        },
    )  # fmt: skip
    return found


def _pairs(found: Members) -> list[PairRow]:
    """Return the pairs of conductances that compensate in the accepted population."""
    if found.grown is None or not len(found.grown):
        return []
    pairs = found.grown.degeneracy().pairs[:PAIRS]
    return [{"one": p.one, "other": p.other, "r": p.correlation, "lo": p.lo, "hi": p.hi} for p in pairs]


def _parameters(result: Result, found: Members, spectrum: Spectrum | None) -> list[ParameterRow]:
    box = result.problem.box
    u, which = found.population
    values = np.asarray(box.values(jnp.asarray(u)), float)
    accepted = values[which]
    intervals = None if spectrum is None else spectrum.interval(0.9).tolist()
    return [
        {
            "name": name, "unit": box.units[k], "lo": float(box.lo[k]), "hi": float(box.hi[k]),
            "logarithmic": bool(box.logarithmic[k]), "value": float(values[0, k]), "u": float(u[0, k]),
            "laplace": None if intervals is None else intervals[k],
            "accepted": [float(accepted[:, k].min()), float(accepted[:, k].max())] if len(accepted) > 1 else None,
        }
        for k, name in enumerate(box.names)
    ]  # fmt: skip


def _write_traces(plan: Plan, found: Members, chosen: np.ndarray, folder: Path) -> None:
    rows: dict[str, list[np.ndarray]] = {"recorded_mV": [], "current_nA": [], "best_mV": []}
    others: list[list[np.ndarray]] = [[] for _ in chosen]
    for use, v in found.voltages.items():
        objective = _objective(plan, use)
        for k in range(len(objective)):
            real = objective.recorded[k, 0]
            rows["recorded_mV"].append(objective.voltages[k, 0][real])
            rows["current_nA"].append(objective.currents[k, 0][real])
            rows["best_mV"].append(v[0, k][real])
            for other, m in zip(others, chosen, strict=True):
                other.append(v[m, k][real])
    arrays = stacked(rows)
    if others:
        arrays["others_mV"] = np.stack([stacked({"v": other})["v"] for other in others])
    number = np.array(plan.choice.used)
    dt = plan.settings.dt
    t = plan.start + dt * np.arange(arrays["best_mV"].shape[1])
    about = {"t_ms": t, "sweep": number, "fitted": np.isin(number, plan.choice.fitted)}
    write_arrays(folder / TRACES, {**arrays, **about})


def _write_currents(plan: Plan, result: Result, results: Results, folder: Path) -> None:
    """Run the best model once more in the fitted sweep of the highest amplitude, with its currents."""
    k = len(plan.choice.fitted) - 1
    found, trace = currents(result.model, plan.objective, k), plan.objective.trace(k)
    results["currents"] = [
        {"name": name, "spike": _known(spike), "between": _known(between)}
        for name, (spike, between) in found.charges(trace.on, trace.off).items()
    ]
    results["currents_sweep"] = plan.choice.fitted[k]
    write_arrays(
        folder / CURRENTS,
        {
            "t_ms": plan.start + found.t, "v_mV": found.v.astype(np.float32), "names": np.array(found.names),
            "i_nA": found.i.astype(np.float32), "injected_nA": found.injected.astype(np.float32),
            "peaks": found.peaks, "stimulus_ms": plan.start + np.array([trace.on, trace.off]),
        },
    )  # fmt: skip


def _known(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None


def _write_population(result: Result, found: Members, folder: Path) -> None:
    box = result.problem.box
    u, which = found.population
    arrays = {
        "u": u, "values": np.asarray(box.values(jnp.asarray(u)), float), "accepted": which,
        "names": np.array(box.names), "units": np.array(box.units), "lo": box.lo, "hi": box.hi,
        "logarithmic": box.logarithmic,
    }  # fmt: skip
    write_arrays(folder / POPULATION, arrays)


def _write_metrics(plan: Plan, result: Result, found: Members, folder: Path) -> None:
    """Write the figures of the study: the last file, so that a folder that has it is finished."""
    tests = {
        f"{use} sweeps": {"score": float(s[0]), "trials": len(_numbers(plan, use))}
        for use, s in found.scores.items()
    }
    title = f"Fit of {Path(plan.settings.recording).name} by {plan.settings.model}"
    metrics = {
        "task": TASK, "title": title, "parameters": len(result.problem.box), "steps": int(result.runs),
        "seconds": float(result.seconds), "tests": tests,
    }  # fmt: skip
    write_json(folder / METRICS, metrics)
