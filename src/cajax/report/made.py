"""How a run was made: command, seed, data, versions, machine, settings, and how to make it again."""

from .folder import Run
from .html import duration, paragraph, table, words


def made(run: Run, again: str = "") -> str:
    """Return what the record of a run says, as HTML; `again` is what else decides the numbers."""
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
    trial = f"A trial depends on the seed ({words(record.get('seed'))}), the stage and the step alone. "
    said = (
        "The same command with the same versions, data and seed gives the same numbers on the same kind of processor "
        f"with the same number of cores. {again or ('' if run.plain else trial)}"
        "The page is written from the run folder by <code>cajax report</code>."
    )
    return (
        f'<div class="about">{table(("", ""), [[words(k), v] for k, v in about.items()], text=2)}</div>'
        + (f"<h3>Stages</h3>{stages}" if run.stages else "")
        + f"<h3>Settings</h3><details><summary>{len(settings)} settings</summary>{listed}</details>"
        + f"<h3>To reproduce it</h3>{paragraph(said)}"
    )
