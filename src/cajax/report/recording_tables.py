"""Tables of a study's page: features with z-scores, currents, parameters, and what was read."""

from typing import Any

from .html import table, words
from .recording_material import Fitted
from .recording_parameters import shown_unit

BORDERS = (1.0, 3.0, 5.0)
"""|z| up to which a feature is good, fair, poor; beyond the last it is bad."""


def z_scores(m: Fitted) -> str:
    """Return the best model's value and z-score, in colour, of every feature in every sweep."""
    found = m.results.get("features", [])
    sweeps = list(dict.fromkeys((row["sweep"], row["use"]) for row in found))
    names = dict.fromkeys((row["name"], row["unit"]) for row in sorted(found, key=lambda row: row["order"]))
    cells = {(row["name"], row["sweep"]): f"{_z(row['z'])}<br><small>{_value(row)}</small>" for row in found}
    rows = [
        [
            f"{words(name)} <small>{words(shown_unit(unit))}</small>",
            *(cells.get((name, k), "–") for k, _ in sweeps),
        ]
        for name, unit in names
    ]
    if not rows:
        return ""
    head = ("feature", *(f"sweep {words(k)}<br><small>{words(use)}</small>" for k, use in sweeps))
    said = "How many SD of the data each feature of the best model is off, and its value below."
    return f'<div class="dense zs">{table(head, rows, said)}</div>'


def features(m: Fitted) -> str:
    """Return the table of features: data, model, z-score in colour."""
    rows = [
        [
            f"{words(row['name'])} <small>{words(shown_unit(row['unit']))}</small>",
            words(row["sweep"]) + (" <small>held out</small>" if row["use"] == "held out" else ""),
            _mean(row), _value(row), _z(row["z"]), _range(row["least"], row["most"]),
        ]
        for row in m.results.get("features", [])
    ]  # fmt: skip
    head = ("feature", "sweep", "data: mean ± SD", "best model", "z", "accepted models")
    said = (
        "Features by eFEL's names, each the mean over the spikes of a sweep; in the last rows of each sweep the mean "
        "|z| of a whole term."
    )
    inside = f'<div class="dense">{table(head, rows, said)}</div>'
    return f"<details><summary>With mean and SD of the data: {len(rows)} rows</summary>{inside}</details>"


def _mean(row: Any) -> str:
    return "–" if row["mean"] is None or row["unit"] == "SD" else f"{_short(row['mean'])} ± {row['sd']:.2g}"


def _value(row: Any) -> str:
    if row["unit"] == "SD":
        return ""
    return "missing" if row["value"] is None else _short(row["value"])


def _short(x: float) -> str:
    """Return a value in four figures; what is as good as nothing as 0."""
    return f"{x if abs(x) >= 1e-5 else 0.0:.4g}".replace("-", "−")


def _z(z: float) -> str:
    level = sum(abs(z) > border for border in BORDERS)
    z = round(z, 1) + 0.0
    return f'<span class="z{level}">{z:+.1f}</span>'.replace("-", "−")


def _range(least: Any, most: Any) -> str:
    return "–" if least is None or most is None else f"{_short(least)} … {_short(most)}"


def currents(m: Fitted) -> str:
    """Return the table of mean currents in spikes and between them."""
    rows = m.results.get("currents", [])
    if not rows:
        return ""
    body = [[words(r["name"]), *(_current(r[key]) for key in ("spike", "between"))] for r in rows]
    said = (
        "Mean currents (nA, outward positive) of the best model from 1 ms before the peak of a spike to 3 ms after it, "
        "and in the rest of the stimulus. They add up to the injected current."
    )
    return table(("current", "in spikes", "between"), body, said)


def _current(x: Any) -> str:
    return "–" if x is None else f"{x:+.3g}".replace("-", "−")


def parameters(m: Fitted) -> str:
    """Return the table of parameters with bounds and intervals."""
    rows = [
        [
            f"<code>{words(r['name'])}</code> <small>{words(shown_unit(r['unit']))}</small>",
            f"{r['value']:.4g}".replace("-", "−"), _ends(r["laplace"]), _ends(r["accepted"]), _ends([r["lo"], r["hi"]]),
        ]
        for r in m.results.get("parameters", [])
    ]  # fmt: skip
    head = ("parameter", "best", "90 % interval", "accepted models", "bounds")
    return f'<div class="dense">{table(head, rows)}</div>'


def _ends(ends: Any) -> str:
    return "–" if not ends or len(ends) != 2 else f"{ends[0]:.4g} … {ends[1]:.4g}".replace("-", "−")


def read(m: Fitted) -> str:
    """Return what was read and chosen: the sweeps, what readers said, the model."""
    s = m.setup
    if s is None:
        return ""
    rows = [
        [words(r["number"]), words(r["name"]), words(r["kind"]), _short(r["amplitude"]), words(r["spikes"]),
         "–" if r["on"] is None or r["off"] is None else f"{r['on']:g} … {r['off']:g}", words(r["use"] or "–")]
        for r in s["sweeps"]
    ]  # fmt: skip
    head = ("", "sweep", "kind", "amplitude (nA)", "spikes", "stimulus (ms)", "used")
    sweeps = table(head, rows, text=3)
    window = "whole sweeps" if not s["window"] else f"{s['window'][0]:g} to {s['window'][-1]:g} ms"
    about = {
        "recording": s["recording"], "chosen": f"{s['why']}; window: {window}; electrode at {s['at']}",
        "morphology": f"{s['morphology']}: {s['shape']}, {s['cvs']:,} control volumes",
        "model": f"{s['model']}: {s['source']}", "compared": "; ".join(s["terms"]),
    }  # fmt: skip
    said = [
        *(f"{kind}: {line}" for kind in ("exact", "approximated", "refused") for line in s[kind]),
        *(f"model: {note}" for note in s["notes"]),
    ]
    lines = "".join(f"<li>{words(line)}</li>" for line in said)
    facts = f'<div class="about">{table(("", ""), [[words(k), words(v)] for k, v in about.items()], text=2)}</div>'
    notes = f"<h3>What readers and model said</h3><ul>{lines}</ul>" if lines else ""
    listed = f"<details><summary>{len(rows)} sweeps</summary>{sweeps}</details>" if len(rows) > 20 else sweeps
    return facts + notes + f"<h3>Sweeps</h3>{listed}"
