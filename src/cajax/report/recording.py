"""The page of a study (`cajax fit`): how well a model does what was recorded, and how sure one can be of it."""

from pathlib import Path

from . import recording_parameters as parameters
from . import recording_search as searched
from . import recording_tables as tables
from . import recording_traces as traces
from .html import duration, page, paragraph, words
from .made import made
from .parts import careful, drawings, quiet
from .recording_material import Fitted, gathered
from .style import STYLE

MORE_STYLE = """
.z0{background:color-mix(in srgb,var(--c2) 22%,transparent)}.z1{background:color-mix(in srgb,var(--c5) 26%,transparent)}
.z2{background:color-mix(in srgb,var(--c1) 34%,transparent)}.z3{background:color-mix(in srgb,var(--c4) 46%,transparent)}
.z0,.z1,.z2,.z3{padding:.05rem .35rem;border-radius:3px}
.zs td.n{white-space:nowrap;line-height:1.35}.zs td,.zs th{padding-right:.6rem}
"""


def text_of(folder: str | Path) -> str:
    """Return the page of a study as HTML."""
    m = gathered(folder)
    name = m.run.folder.resolve().name
    title = str(m.run.metrics.get("title") or "Fit of a recording")
    return page(f"{name}: {title}", _head(m, title), _sections(m), STYLE + MORE_STYLE)


def _head(m: Fitted, title: str) -> str:
    run, scores = m.run, m.results.get("scores", {})
    population = m.results.get("population")
    facts = {
        "score, fitted": words(scores.get("fitted")),
        "score, held out": words(scores.get("held out")),
        "accepted models": "–" if population is None else words(population["count"]),
        "free parameters": words(run.size),
        "sweeps simulated": words(run.steps or None),
        "time of the search": duration(run.seconds),
        "state": words(run.state),
    }
    listed = "".join(f"<div><dt>{words(k)}</dt><dd>{v}</dd></div>" for k, v in facts.items())
    faults = "".join(paragraph(words(fault), "fault") for fault in m.missing)
    over = paragraph(f"Cajax run {words(run.folder.resolve().name)} · fit of a recording", "over")
    lead = paragraph(_sentence(m), "lead")
    return f'{over}<h1>{words(title)}</h1>{lead}<dl class="facts">{listed}</dl>{faults}'


def _sentence(m: Fitted) -> str:
    """Say in a few sentences how good the model is."""
    good = m.results.get("within", {})
    if not good:
        so_far = "" if m.curve is None else f" The best score so far is {words(float(m.curve[:, 2].min()))}."
        again = "it goes on with <code>cajax fit --resume</code>"
        return f"This fit is not finished ({words(m.run.state)}); {again}.{so_far}"
    parts = [
        f"<b>{pair[0]} of {pair[1]}</b> in {words(use.replace(' ', '-'))} sweeps"
        for use, pair in good.items()
        if len(pair) == 2
    ]
    within = (
        f"Within 3 SD of the data, of all features and stretches of voltage compared: {', '.join(parts)}."
    )
    population = m.results.get("population")
    accepted = ""
    if population is not None and population["sd"] is not None:
        count = population["count"]
        many = "1 model is" if count == 1 else f"{count:,} different models are"
        accepted = f" {many} accepted: all within {population['sd']:g} SD."
    elif population is not None:
        accepted = " No model is accepted: something is more than 5 SD off in each. The nearest ones are shown instead."
    return within + accepted


def _sections(m: Fitted) -> list[tuple[str, str, str]]:
    found = [
        ("traces", "Model and data", _traces(m)),
        ("features", "Features", _features(m)),
        ("currents", "Currents under the trace", _currents(m)),
        ("parameters", "Parameters", _parameters(m)),
        ("sure", "How sure", drawings(lambda: parameters.spectrum(m), lambda: parameters.corner(m))),
        (
            "search",
            "The search",
            drawings(lambda: searched.progress(m)) or quiet("The search has left nothing yet."),
        ),
        ("read", "What was read", careful(lambda: tables.read(m))),
        ("made", "How it was made", made(m.run, _AGAIN) + paragraph(_FILES)),
    ]
    return [(name, title, body) for name, title, body in found if body]


_AGAIN = (
    "That holds for a search of so many <code>--simulations</code>; how far one of so many <code>--minutes</code> "
    "comes depends on the machine. "
)
_FILES = (
    "Everything shown is in the run folder: <code>model.npz</code> and <code>before.npz</code> (for "
    "<code>cajax.load</code>), <code>traces.npz</code>, <code>currents.npz</code>, <code>population.npz</code>, "
    "<code>features.csv</code>, <code>parameters.csv</code>, <code>f-i.csv</code>."
)


def _traces(m: Fitted) -> str:
    drawn = drawings(
        lambda: traces.panels(m, True), lambda: traces.panels(m, False), lambda: traces.shapes(m)
    )
    return drawn or quiet("No model has been judged yet.")


def _features(m: Fitted) -> str:
    if not m.results.get("features"):
        return ""
    shown = careful(lambda: tables.z_scores(m)) + careful(lambda: tables.features(m))
    return drawings(lambda: traces.z_scores(m)) + shown + drawings(lambda: traces.f_i(m))


def _currents(m: Fitted) -> str:
    if m.currents is None:
        return ""
    return drawings(lambda: traces.currents(m)) + careful(lambda: tables.currents(m))


def _parameters(m: Fitted) -> str:
    if not m.results.get("parameters"):
        return ""
    return drawings(lambda: parameters.bars(m)) + careful(lambda: tables.parameters(m))
