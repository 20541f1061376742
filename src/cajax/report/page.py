"""The report of a run: its sections put together into one HTML page that needs nothing but itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import plot
from ..base.errors import CajaxError
from ..tasks.task import Task
from ..train import write_whole
from . import compared, dissected, fields, learned, trials
from .folder import Run
from .html import Picture, duration, page, paragraph, percent, pictures, table, words
from .learning import learning
from .material import Material, gather
from .style import STYLE

NAME = "report.html"

Section = tuple[str, str, str]


def report(folder: str | Path, task: Task | None = None) -> Path:
    """Write `report.html` into a run folder, whole or not at all, and return its path.

    `task` is built from the folder's record unless it is given. Parts that an interrupted run or skipped controls left
    out are said to be missing. Raises `StoreError` for a folder that is no run, or where the page cannot be written.
    """
    with plot.theme():
        material = gather(folder, task)
        made = page(_title(material), _head(material), _sections(material), STYLE)
    return write_whole(Path(folder) / NAME, made.encode(), "make room or give a folder that is yours")


def _title(m: Material) -> str:
    return f"{m.run.folder.resolve().name}: {m.run.metrics.get('title') or m.run.task}"


def _head(m: Material) -> str:
    run = m.run
    title = str(run.metrics.get("title") or getattr(m.task, "title", "") or run.task)
    facts = {
        "accuracy": percent(run.accuracy, 2),
        "trained numbers": words(run.metrics.get("parameters")),
        "steps": words(run.steps),
        "training time": duration(run.seconds),
        "state": run.state,
    }
    made = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    over = f"Cajax run {words(run.folder.resolve().name)} · task {words(run.task)}"
    lead = paragraph(_sentence(m), "lead") + f'<dl class="facts">{made}</dl>'
    faults = "".join(paragraph(words(fault), "fault") for fault in m.missing)
    return f"{paragraph(over, 'over')}<h1>{words(title[:1].upper() + title[1:])}</h1>{lead}{faults}"


def _sentence(m: Material) -> str:
    """Say the figure of the run in one sentence, with what it is to be compared with."""
    run = m.run
    if run.accuracy is None:
        last = next((s.checks[-1] for s in reversed(run.stages) if s.checks), None)
        so_far = (
            f" The last check on kept-out trials found {percent(last['accuracy'])} right." if last else ""
        )
        return f"This run is not finished ({run.state}): it has made {run.steps:,} steps and was not tested.{so_far}"
    name, test = next(iter(run.tests.items()))
    processor = (run.record.get("machine") or {}).get("cpu", "")
    trained = f"{words(run.metrics.get('parameters'))} numbers were trained in {duration(run.seconds)}"
    place = f" ({words(processor)})" if processor else ""
    published = run.metrics.get("published")
    said = f" Published: {words(published)}." if published else ""
    return (
        f"<b>{percent(run.accuracy, 2)}</b> of the answers to {words(test.get('trials'))} held-out trials "
        f"({words(name)}) are right; {trained}{place}.{said}"
    )


def _careful(make: Callable[[], Any]) -> Any:
    """Return what `make` returns, or a sentence: one damaged number in a run folder must not cost the whole page."""
    try:
        return make()
    except (
        CajaxError,
        ArithmeticError,
        AttributeError,
        IndexError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        reason = (str(error).splitlines() or [""])[0]
        return paragraph(
            f"This part could not be made ({words(f'{type(error).__name__}: {reason}')}).", "fault"
        )


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
    controls, controls_table = _controls(run)
    found = [
        ("result", "The result", _result(m)),
        ("learning", "Learning", _drawn(lambda: learning(run)) or _none("No stage has left a history yet.")),
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
        ("capacity", "Capacity", _drawn(lambda: dissected.capacity(run))),
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
    makers: list[Callable[[], Any]] = [lambda: compared.confusion(run), lambda: compared.by_answer(run)]
    makers.append(lambda: compared.tests_bars(run))
    task, test, answers = m.task, m.test, m.answers
    if task and test and answers:
        makers.append(lambda: trials.mistakes(task, test, answers))
    extra = run.metrics.get("extra")
    more = ""
    if isinstance(extra, dict) and extra:
        more = table(("", ""), [[words(str(k)), words(v)] for k, v in extra.items()])
    return _careful(lambda: compared.tests_table(run)) + more + _drawn(*makers)


def _controls(run: Run) -> tuple[str, str]:
    if not run.controls:
        return "", ""
    made = _careful(lambda: compared.controls(run))
    return (made, "") if isinstance(made, str) else (_html(made[0]), made[1])


def _trials(m: Material) -> str:
    task, activity = m.task, m.activity
    if not task or not activity:
        return _none("No trials could be simulated; the reasons stand at the top of the page.")
    shown, kinds = trials.panels(activity), len(activity.answers.kinds)
    intro = (
        f"Trials of the test, simulated again with the trained network; one for each of {shown} of {kinds} possible "
        f"answers. Lines are somatic voltages (mV) of at most {trials.CELLS} cells per population: those whose mean "
        "voltage depends most on what is to be answered; of readouts the wanted one is drawn strongly. Ticks are "
        "spikes, upward crossings of −20 mV, one row per cell. The shaded parts of a trial are named above it."
    )
    return paragraph(intro) + _drawn(lambda: trials.example_trials(activity, task))


def _tuning(m: Material) -> str:
    activity = m.activity
    if not activity:
        return ""
    drawn = _drawn(lambda: trials.tuning(activity))
    return drawn or _none("There is one kind of trial, or one cell: nothing to compare.")


def _learned(m: Material) -> str:
    trained = m.trained
    if trained is None:
        return _none("The models before and after training are needed for this part.")
    task, _, after = trained
    shapes = task.shapes()
    network = _careful(lambda: learned.population_table(after, shapes))
    makers: list[Callable[[], Any]] = [
        lambda: learned.morphologies(*trained),
        lambda: learned.weights(*trained),
    ]
    test = m.test
    if test is not None:
        makers.insert(0, lambda: fields.receptive_fields(*trained, test))
    drawn = _drawn(*makers)
    if not task.membranes:
        drawn = _none("The membranes of this run were left as they were; only synapses were trained.") + drawn
    rows = _careful(lambda: learned.parameter_table(*trained))
    return f"{network}{drawn}<h3>Trained parameters</h3>{rows}"


def _inside(run: Run) -> str:
    drawn = _drawn(
        lambda: dissected.resets(run),
        lambda: dissected.lesions(run),
        lambda: dissected.attack(run),
        lambda: dissected.held_by(run),
    )
    tables = (dissected.share_table, dissected.energy_table, dissected.others)
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
    seed = record.get("seed")
    again = (
        "The same command with the same versions, data and seed gives the same numbers on the same kind of processor "
        f"with the same number of cores. A trial depends on the seed ({words(seed)}), the stage and the step alone. "
        "The page is made from the run folder by <code>cajax report</code>."
    )
    return (
        f'<div class="about">{table(("", ""), [[words(k), v] for k, v in about.items()], text=2)}</div>'
        + (f"<h3>Stages</h3>{stages}" if run.stages else "")
        + f"<h3>Settings</h3><details><summary>{len(settings)} settings</summary>{listed}</details>"
        + f"<h3>To reproduce it</h3>{paragraph(again)}"
    )
