"""The report of a run: its sections put together into one HTML page that needs nothing but itself."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import plot
from ..base.disk import write_whole
from ..jobs import Job
from ..model.model import Model
from ..train.store import salvaged_record
from ..train.table import ParameterTable
from . import classified, compared, dissected, fields, learned, recording, recovered, trials
from .folder import Run
from .html import duration, page, paragraph, table, words
from .learning import learning
from .made import made
from .material import Material, gather
from .parts import careful, drawings, html_of, quiet
from .recording_state import is_study
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
        if job is None and is_study(salvaged_record(folder, [])):
            return write_whole(Path(folder) / NAME, recording.text_of(folder).encode(), _CURE)
        material = gather(folder, job)
        text = page(_title(material), _head(material), _sections(material), STYLE)
    return write_whole(Path(folder) / NAME, text.encode(), _CURE)


_CURE = "make room or give a folder that is yours"


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


def _sections(m: Material) -> list[Section]:
    run = m.run
    learning_part = drawings(lambda: learning(run)) or quiet("No stage has left a history yet.")
    if run.plain:
        found = [
            ("learning", "Learning", learning_part),
            ("learned", "What was learned", _learned(m)),
            ("made", "How it was made", made(run)),
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
            controls + controls_table or quiet(_SKIPPED.format("Controls", "controls.json")),
        ),
        (
            "inside",
            "Looking inside",
            _inside(run) or quiet(_SKIPPED.format("Resets and lesions", "inside.json")),
        ),
        ("capacity", "Capacity", drawings(lambda: classified.capacity(run))),
        ("made", "How it was made", made(run)),
    ]
    return [(name, title, body) for name, title, body in found if body]


_SKIPPED = "{} were not run, or this run stopped before them ({} is not there)."


def _result(m: Material) -> str:
    run = m.run
    if not run.tests:
        return quiet("This run was not tested: it stopped before, or it still trains.")
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
    return careful(lambda: compared.tests_table(run)) + more + drawings(*makers)


def _controls(m: Material) -> tuple[str, str]:
    if not m.run.controls:
        return "", ""
    drawn = careful(lambda: compared.controls(m.run))
    shown, figures = (drawn, "") if isinstance(drawn, str) else (html_of(drawn[0]), drawn[1])
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
        return quiet("No trials could be simulated; the reasons stand at the top of the page.")
    shown, kinds = trials.panels(activity), len(activity.judged.kinds)
    count = f"one for each of {shown} of {kinds} kinds" if kinds > 1 else "one"
    wanted = "; of readouts the wanted one is drawn strongly" if job.score.output_names else ""
    intro = (
        f"Trials of the test, simulated again with the trained model: {count}. Lines are somatic voltages (mV) of at "
        f"most {trials.CELLS} cells per population: those whose mean voltage differs most between kinds of trial"
        f"{wanted}. Ticks are spikes, upward crossings of −20 mV, one row per cell. The shaded parts of a trial are "
        "named above it."
    )
    return paragraph(intro) + drawings(lambda: trials.example_trials(activity, job))


def _tuning(m: Material) -> str:
    activity = m.activity
    if not activity:
        return ""
    drawn = drawings(lambda: trials.tuning(activity))
    return drawn or quiet("There is one kind of trial, or one cell: nothing to compare.")


def _learned(m: Material) -> str:
    job, models, test, rows = m.job, m.models, m.test, m.run.parameters
    if models is None or (job is None and rows is None):
        listed = "" if rows is None else _parameters(lambda: rows)
        return listed or quiet("The models before and after training are needed for this part.")
    before, after = models
    makers: list[Callable[[], Any]] = []
    if job is not None and test is not None:
        makers.append(lambda: fields.receptive_fields(job, before, after, test))
    if job is not None:
        makers.append(lambda: learned.morphologies(job, before, after))
    makers.append(lambda: learned.weights([row.path for row in _table(m, before, after).rows], before, after))
    network = careful(lambda: learned.population_table(after, job.shapes() if job else {}))
    drawn = drawings(*makers)
    if job is not None and job.remark():
        drawn = quiet(words(job.remark())) + drawn
    return f"{network}{drawn}{_parameters(lambda: _table(m, before, after))}"


def _table(m: Material, before: Model, after: Model) -> ParameterTable:
    """Return the trained parameters: as the folder lists them, else as the job frees them."""
    if m.run.parameters is not None:
        return m.run.parameters
    return ParameterTable(()) if m.job is None else m.job.free().table(after, before)


def _parameters(rows: Callable[[], ParameterTable]) -> str:
    return f"<h3>Trained parameters</h3>{careful(lambda: learned.parameter_table(rows()))}"


def _inside(run: Run) -> str:
    drawn = drawings(
        lambda: recovered.along_the_cell(run),
        lambda: dissected.resets(run),
        lambda: dissected.lesions(run),
        lambda: classified.attack(run),
        lambda: classified.held_by(run),
    )
    tables = (recovered.errors_table, classified.share_table, dissected.energy_table, dissected.others)
    return drawn + "".join(careful(lambda make=make: make(run)) for make in tables)
