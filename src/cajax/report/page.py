"""The report of a run: its sections put together into one HTML page that needs nothing but itself."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import plot
from ..base.disk import write_whole
from ..base.errors import CajaxError
from ..jobs import Job
from ..model.model import Model
from ..train.table import ParameterTable
from . import classified, compared, dissected, fields, learned, trials
from .folder import Run
from .html import Picture, duration, page, paragraph, pictures, table, words
from .learning import learning
from .material import Material, gather
from .style import STYLE

NAME = "report.html"

Section = tuple[str, str, str]


def report(folder: str | Path, job: Job[Any] | None = None) -> Path:
    """Write `report.html` into a run folder, whole or not at all, and return its path.

    A task of Cajax is built from the folder's record; give `job` when it is one of your own. Parts that an interrupted
    run or skipped controls left out are said to be missing. Raises `StoreError` for a folder that is no run, or where
    the page cannot be written.
    """
    with plot.theme():
        material = gather(folder, job)
        text = page(_title(material), _head(material), _sections(material), STYLE)
    return write_whole(Path(folder) / NAME, text.encode(), "make room or give a folder that is yours")


def _title(m: Material) -> str:
    return f"{m.run.folder.resolve().name}: {m.run.metrics.get('title') or m.run.task}"


def _head(m: Material) -> str:
    run = m.run
    title = str(run.metrics.get("title") or getattr(m.job, "title", "") or run.task)
    facts = {
        run.headline.name: run.headline.text(run.figure, 2),
        "trained numbers": words(run.size),
        "steps": words(run.steps),
        "training time": duration(run.seconds),
        "state": run.state,
    }
    listed = "".join(
        f"<div><dt>{words(name)}</dt><dd>{words(value)}</dd></div>" for name, value in facts.items()
    )
    over = f"Cajax run {words(run.folder.resolve().name)}" + ("" if run.plain else f" · {words(run.task)}")
    lead = paragraph(_sentence(m), "lead") + f'<dl class="facts">{listed}</dl>'
    faults = "".join(paragraph(words(fault), "fault") for fault in m.missing)
    return f"{paragraph(over, 'over')}<h1>{words(title[:1].upper() + title[1:])}</h1>{lead}{faults}"


def _sentence(m: Material) -> str:
    """Say the figure of the run in one sentence, with what it is to be compared with."""
    run, headline = m.run, m.run.headline
    count = "1 number was" if run.size == 1 else f"{words(run.size)} numbers were"
    trained = f"{count} trained in {duration(run.seconds)}{_processor(run)}."
    if run.plain:
        losses = [x for stage in run.stages if stage.history for x in stage.history.losses]
        if not losses:
            return f"This fit is not finished ({run.state}): it has made {run.steps:,} steps."
        return f"A loss was reduced from {losses[0]:.4g} to <b>{losses[-1]:.4g}</b>; {trained}"
    if run.figure is None:
        last = next((s.checks[-1] for s in reversed(run.stages) if s.checks), None)
        value = None if last is None else run.value(last)
        so_far = f" The last check on kept-out trials: {words(headline.name)} {headline.text(value)}."
        stopped = (
            f"This run is not finished ({run.state}): it has made {run.steps:,} steps and was not tested."
        )
        return stopped + (so_far if value is not None else "")
    name, test = next(iter(run.tests.items()))
    value = f"<b>{words(headline.text(run.figure, 2))}</b>"
    said = dataclasses.replace(headline, name=words(headline.name), sentence=words(headline.sentence)).said(
        value, words(test.get("trials")), words(name)
    )
    published = run.metrics.get("published")
    compared_with = f" Published: {words(published)}." if published else ""
    return f"{said}; {trained}{compared_with}"


def _processor(run: Run) -> str:
    processor = (run.record.get("machine") or {}).get("cpu", "")
    return f" ({words(processor)})" if processor else ""


def _careful(make: Callable[[], Any]) -> Any:
    """Return what `make` returns; where what the folder holds does not fit together, a sentence that says so.

    Other exceptions are faults of the code that draws, and no sentence in a page: they propagate.
    """
    try:
        return make()
    except CajaxError as error:
        return paragraph(f"This part could not be made ({words(str(error))}).", "fault")


def _html(found: Any) -> str:
    """Return pictures, one picture, HTML or nothing as HTML."""
    if isinstance(found, str):
        return found
    if found is None:
        return ""
    return pictures([found] if isinstance(found, Picture) else [p for p in found if p is not None])


def _drawn(*makers: Callable[[], Any]) -> str:
    """Return the pictures of all makers in one grid, followed by the sentences of those that failed."""
    found = [_careful(make) for make in makers]
    good = [p for f in found if not isinstance(f, str) for p in ([f] if isinstance(f, Picture) else f or [])]
    return _html([p for p in good if p is not None]) + "".join(f for f in found if isinstance(f, str))


def _sections(m: Material) -> list[Section]:
    run = m.run
    learning_part = _drawn(lambda: learning(run)) or _none("No stage has left a history yet.")
    if run.plain:
        found = [
            ("learning", "Learning", learning_part),
            ("learned", "What was learned", _learned(m)),
            ("made", "How it was made", _made(run)),
        ]
        return [(name, title, body) for name, title, body in found if body]
    controls, controls_table = _controls(m)
    found = [
        ("result", "The result", _result(m)),
        ("learning", "Learning", learning_part),
        ("trials", "What the cells do in a trial", _trials(m)),
        ("cells", "Cell by cell", _tuning(m)),
        ("learned", "What was learned", _learned(m)),
        (
            "controls",
            "Controls",
            controls + controls_table or _none(_SKIPPED.format("Controls", "controls.json")),
        ),
        (
            "inside",
            "Looking inside",
            _inside(run) or _none(_SKIPPED.format("Resets and lesions", "inside.json")),
        ),
        ("capacity", "Capacity", _drawn(lambda: classified.capacity(run))),
        ("made", "How it was made", _made(run)),
    ]
    return [(name, title, body) for name, title, body in found if body]


_SKIPPED = "{} were not run, or this run stopped before them ({} is not there)."


def _none(text: str) -> str:
    return paragraph(text, "quiet")


def _result(m: Material) -> str:
    run = m.run
    if not run.tests:
        return _none("This run was not tested: it stopped before, or it still trains.")
    makers: list[Callable[[], Any]] = [
        lambda: compared.traces(run),
        lambda: classified.confusion(run),
        lambda: classified.by_answer(run),
        lambda: compared.tests_bars(run),
    ]
    job, test, judged = m.job, m.test, m.judged
    if job and test and judged:
        makers.append(lambda: classified.mistakes(job, test, judged))
    extra = run.metrics.get("extra")
    more = ""
    if isinstance(extra, dict) and extra:
        more = table(("", ""), [[words(str(k)), words(v)] for k, v in extra.items()])
    return _careful(lambda: compared.tests_table(run)) + more + _drawn(*makers)


def _controls(m: Material) -> tuple[str, str]:
    if not m.run.controls:
        return "", ""
    drawn = _careful(lambda: compared.controls(m.run))
    shown, figures = (drawn, "") if isinstance(drawn, str) else (_html(drawn[0]), drawn[1])
    trained = {control.get("name") for control in m.run.controls}
    left = [] if m.job is None else [name for name in m.job.versions() if name not in trained]
    if m.job is not None and left:
        follow = m.job.again(m.run.folder, every_control=True)
        figures += paragraph(
            f"Not trained: {words(', '.join(left))}. These controls follow with: {words(follow)}"
        )
    return shown, figures


def _trials(m: Material) -> str:
    job, activity = m.job, m.activity
    if not job or not activity:
        return _none("No trials could be simulated; the reasons stand at the top of the page.")
    shown, kinds = trials.panels(activity), len(activity.judged.kinds)
    count = f"one for each of {shown} of {kinds} kinds" if kinds > 1 else "one"
    wanted = "; of readouts the wanted one is drawn strongly" if job.score.output_names else ""
    intro = (
        f"Trials of the test, simulated again with the trained model: {count}. Lines are somatic voltages (mV) of at "
        f"most {trials.CELLS} cells per population: those whose mean voltage differs most between kinds of trial"
        f"{wanted}. Ticks are spikes, upward crossings of −20 mV, one row per cell. The shaded parts of a trial are "
        "named above it."
    )
    return paragraph(intro) + _drawn(lambda: trials.example_trials(activity, job))


def _tuning(m: Material) -> str:
    activity = m.activity
    if not activity:
        return ""
    drawn = _drawn(lambda: trials.tuning(activity))
    return drawn or _none("There is one kind of trial, or one cell: nothing to compare.")


def _learned(m: Material) -> str:
    job, models, test, rows = m.job, m.models, m.test, m.run.parameters
    if models is None or (job is None and rows is None):
        listed = "" if rows is None else _parameters(lambda: rows)
        return listed or _none("The models before and after training are needed for this part.")
    before, after = models
    makers: list[Callable[[], Any]] = []
    if job is not None and test is not None:
        makers.append(lambda: fields.receptive_fields(job, before, after, test))
    if job is not None:
        makers.append(lambda: learned.morphologies(job, before, after))
    makers.append(lambda: learned.weights([row.path for row in _table(m, before, after).rows], before, after))
    network = _careful(lambda: learned.population_table(after, job.shapes() if job else {}))
    drawn = _drawn(*makers)
    if job is not None and job.remark():
        drawn = _none(words(job.remark())) + drawn
    return f"{network}{drawn}{_parameters(lambda: _table(m, before, after))}"


def _table(m: Material, before: Model, after: Model) -> ParameterTable:
    """Return the trained parameters: as the folder lists them, else as the job frees them."""
    if m.run.parameters is not None:
        return m.run.parameters
    return ParameterTable(()) if m.job is None else m.job.free().table(after, before)


def _parameters(rows: Callable[[], ParameterTable]) -> str:
    return f"<h3>Trained parameters</h3>{_careful(lambda: learned.parameter_table(rows()))}"


def _inside(run: Run) -> str:
    drawn = _drawn(
        lambda: dissected.resets(run),
        lambda: dissected.lesions(run),
        lambda: classified.attack(run),
        lambda: classified.held_by(run),
    )
    tables = (classified.share_table, dissected.energy_table, dissected.others)
    return drawn + "".join(_careful(lambda make=make: make(run)) for make in tables)


def _made(run: Run) -> str:
    record = run.record
    about = {
        "command": f"<code>{words(record.get('command'))}</code>",
        "seed": words(record.get("seed")),
        "data": f"<code>{words(record.get('data'))}</code>",
        "machine": words(record.get("machine")),
        "versions": words(record.get("versions")),
        "continued": f"{len(record.get('later') or [])} times after an interruption",
    }
    settings = record.get("settings") or {}
    listed = table(
        ("setting", "value"), [[f"<code>{words(k)}</code>", words(v)] for k, v in settings.items()], text=2
    )
    stages = table(
        ("stage", "steps", "time", "ended"),
        [
            [words(s.name), words(s.steps), duration(sum(s.history.seconds) if s.history else None),
             words(s.history.stopped if s.history else "not yet")]
            for s in run.stages
        ],
    )  # fmt: skip
    seed = words(record.get("seed"))
    trial = f"A trial depends on the seed ({seed}), the stage and the step alone. "
    again = (
        "The same command with the same versions, data and seed gives the same numbers on the same kind of processor "
        f"with the same number of cores. {'' if run.plain else trial}"
        "The page is written from the run folder by <code>cajax report</code>."
    )
    return (
        f'<div class="about">{table(("", ""), [[words(k), v] for k, v in about.items()], text=2)}</div>'
        + (f"<h3>Stages</h3>{stages}" if run.stages else "")
        + f"<h3>Settings</h3><details><summary>{len(settings)} settings</summary>{listed}</details>"
        + f"<h3>To reproduce it</h3>{paragraph(again)}"
    )
