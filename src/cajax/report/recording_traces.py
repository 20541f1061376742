"""Pictures of a study's traces: over the data, spike by spike, the z-scores of features, f–I curve, currents."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import plot
from .html import Picture, words
from .recording_material import Arrays, Fitted

MOST_POINTS, OTHER_POINTS = 1600, 700
"""Points of a drawn curve: of data and best model, and of each of the others."""
SHAPES = 3
BEFORE, AFTER = 2.0, 10.0
"""Time (ms) around the upstroke of a spike that is drawn."""
LIMIT = 6.0
"""z-scores beyond it are drawn at the border."""
DRAWN = 7
"""Currents that have a colour of their own."""
THRESHOLD = -20.0


def panels(m: Fitted, fitted: bool) -> Picture | None:
    """Draw the traces of fitted, or of held-out, sweeps: data, the best model, and others."""
    if m.traces is None:
        return None
    rows = np.flatnonzero(m.traces["fitted"] == fitted)
    if not len(rows):
        return None
    figure, axes = plot.subplots(
        len(rows), 1, figsize=(7.8, 0.55 + 1.6 * len(rows)), squeeze=False, sharex=True
    )
    for ax, k in zip(axes[:, 0], rows, strict=True):
        _trace(ax, m, int(k))
    axes[-1, 0].set_xlabel("time (ms)")
    use = "fitted" if fitted else "held-out"
    _legend(axes[0, 0], m)
    alt = f"Voltage of the model over the data in {len(rows)} {use} sweeps"
    what = (
        "<b>Fitted sweeps.</b> The search saw these."
        if fitted
        else "<b>Held-out sweeps.</b> The search never saw these: they say whether the model predicts."
    )
    grey = "Thick and grey the data, blue the best model" + (f", thin {_others(m)}" if _count(m) else "")
    return Picture(
        plot.svg(figure, f"traces-{use}", alt), f"{what} {grey}; the shaded part is the stimulus.", wide=True
    )


def _count(m: Fitted) -> int:
    return 0 if m.traces is None else len(m.traces.get("others_mV", ()))


def _others(m: Fitted) -> str:
    accepted = (m.results.get("population") or {}).get("sd") is not None
    return (
        f"{_count(m)} other accepted models"
        if accepted
        else f"the {_count(m)} next best models (none is accepted)"
    )


def _legend(ax: Any, m: Fitted) -> None:
    handles, labels = ax.get_legend_handles_labels()
    ax.figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), handlelength=1.6)


def _trace(ax: Any, m: Fitted, k: int) -> None:
    traces: Any = m.traces
    real = np.isfinite(traces["recorded_mV"][k])
    t = traces["t_ms"][real]
    ax.plot(
        *plot.thinned(t, traces["recorded_mV"][k][real], MOST_POINTS), lw=2.0, alpha=0.55, color=plot.ink("c7"),
        label="data",
    )  # fmt: skip
    for j, other in enumerate(traces.get("others_mV", ())):
        label = "others" if j == 0 else None
        ax.plot(
            *_finite(t, other[k][real], OTHER_POINTS), lw=0.8, alpha=0.5, color=plot.ink("c2"), label=label
        )
    ax.plot(
        *_finite(t, traces["best_mV"][k][real], MOST_POINTS), lw=1.2, color=plot.ink("c0"), label="best model"
    )
    number = int(traces["sweep"][k])
    sweep = _sweep(m, number)
    if sweep is not None and sweep["on"] is not None and sweep["off"] is not None and len(t):
        ax.axvspan(
            max(sweep["on"], t[0]),
            min(sweep["off"], t[-1]),
            color=plot.ink("line"),
            alpha=0.35,
            lw=0,
            zorder=-2,
        )
    ax.set_title(_named(m, number), fontsize=8.5)
    ax.set_ylabel("mV")
    ax.margins(x=0)
    plot.bare(ax)


def _finite(t: np.ndarray, v: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a curve thinned, up to where a run failed."""
    bad = np.flatnonzero(~np.isfinite(v))
    end = int(bad[0]) if len(bad) else len(v)
    return plot.thinned(t[:end], v[:end], most) if end else (t[:0], v[:0])


def _sweep(m: Fitted, number: int) -> Any:
    return next((s for s in m.setup["sweeps"] if s["number"] == number), None) if m.setup else None


def _named(m: Fitted, number: int) -> str:
    sweep = _sweep(m, number)
    if sweep is None:
        return f"sweep {number}"
    size = f"{1e3 * sweep['amplitude']:.4g} pA".replace("-", "−")
    return f"sweep {number}: {size}" + ("" if sweep["kind"] == "step" else f", {sweep['kind']}")


def shapes(m: Fitted) -> Picture | None:
    """Draw the first spike of the data and of the models on one another, for a few sweeps that have both."""
    if m.traces is None:
        return None
    chosen = [k for k in range(len(m.traces["sweep"])) if _upstrokes(m.traces["recorded_mV"][k]).size]
    chosen = (
        [chosen[i] for i in np.unique(np.linspace(0, len(chosen) - 1, SHAPES).round().astype(int))]
        if chosen
        else []
    )
    if not chosen:
        return None
    figure, axes = plot.subplots(1, len(chosen), figsize=(2.6 * len(chosen), 2.4), squeeze=False, sharey=True)
    for ax, k in zip(axes[0], chosen, strict=True):
        others = [] if "others_mV" not in m.traces else [v[k] for v in m.traces["others_mV"]]
        for v in others:
            _aligned(ax, m.traces, v, 0.5, 0.5, "c2")
        _aligned(ax, m.traces, m.traces["recorded_mV"][k], 2.4, 0.55, "c7")
        _aligned(ax, m.traces, m.traces["best_mV"][k], 1.4, 1.0, "c0")
        ax.set_title(_named(m, int(m.traces["sweep"][k])), fontsize=8.5)
        ax.set_xlabel("ms from −20 mV")
        ax.set_xticks([0.0, 5.0, 10.0])
        plot.bare(ax)
    axes[0, 0].set_ylabel("mV")
    alt = f"The first spike of data and model in {len(chosen)} sweeps"
    caption = "<b>The first spike</b> of data (grey), best model (blue) and others (thin), each from its own upstroke."
    return Picture(plot.svg(figure, "spikes", alt), caption, wide=len(chosen) > 1)


def _upstrokes(v: np.ndarray) -> np.ndarray:
    over = np.nan_to_num(v, nan=-1e3) > THRESHOLD
    return np.flatnonzero(over[1:] & ~over[:-1]) + 1


def _aligned(ax: Any, traces: Arrays, v: np.ndarray, lw: float, alpha: float, colour: str) -> None:
    found = _upstrokes(v)
    if not len(found):
        return
    t, k = traces["t_ms"], int(found[0])
    share = (THRESHOLD - v[k - 1]) / (v[k] - v[k - 1])
    since = t - (t[k - 1] + share * (t[k] - t[k - 1]))
    near = (since >= -BEFORE) & (since <= AFTER) & np.isfinite(v)
    ax.plot(since[near], v[near], lw=lw, alpha=alpha, color=plot.ink(colour))


def z_scores(m: Fitted) -> Picture | None:
    """Draw the z-score of every feature in every sweep."""
    rows = m.results.get("features", [])
    names = list(dict.fromkeys(row["name"] for row in sorted(rows, key=lambda row: row["order"])))
    if not names:
        return None
    figure, ax = plot.subplots(figsize=(7.8, 0.9 + 0.25 * len(names)))
    for use, marker, colour in (("fitted", "o", "c0"), ("held out", "D", "c1")):
        own = [row for row in rows if row["use"] == use]
        if own:
            z = np.clip([row["z"] for row in own], -LIMIT, LIMIT)
            y = np.array([names.index(row["name"]) for row in own]) + (-0.16 if use == "fitted" else 0.16)
            face = plot.ink(colour) if use == "fitted" else "none"
            ax.plot(
                z,
                y,
                marker,
                ms=4.5,
                mfc=face,
                mec=plot.ink(colour),
                ls="none",
                label=use,
                clip_on=False,
                zorder=3,
            )
    ax.axvspan(-3.0, 3.0, color=plot.ink("c2"), alpha=0.12, lw=0, zorder=-2)
    ax.axvline(0.0, color=plot.ink("muted"), lw=0.8, zorder=-1)
    ax.set_yticks(range(len(names)), names)
    ax.set(
        xlim=(-1.05 * LIMIT, 1.05 * LIMIT),
        ylim=(len(names) - 0.4, -0.6),
        xlabel="z-score of the best model: (model − data) / SD",
    )
    ax.set_xticks([-6, -3, 0, 3, 6], ["≤ −6", "−3", "0", "3", "≥ 6"])
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", lw=0.6)
    ax.set_axisbelow(True)
    plot.bare(ax)
    ax.figure.legend(*ax.get_legend_handles_labels(), loc="outside upper left", ncols=2, handletextpad=0.2)
    alt = f"z-scores of {len(names)} features of the best model"
    caption = (
        "<b>How far each feature is off</b>, one mark per sweep; within ±3 SD (shaded) is as good as accepted. What "
        "the model lacks altogether, such as the width of a spike that it does not fire, stands at the border."
    )
    return Picture(plot.svg(figure, "z-scores", alt), caption, wide=True)


def f_i(m: Fitted) -> Picture | None:
    """Draw the f–I curve of the data and of the models."""
    curve = m.results.get("curve")
    if curve is None:
        return None
    data, fitted = np.array(curve["data"], float).reshape(-1, 2), np.array(curve["fitted"], bool)
    if len(data) != len(fitted) or not len(curve["amplitudes"]) == len(curve["best"]) == len(curve["least"]):
        return None
    figure, ax = plot.subplots(figsize=(4.1, 3.0))
    x = 1e3 * np.array(curve["amplitudes"])
    ax.fill_between(x, curve["least"], curve["most"], color=plot.ink("c2"), alpha=0.25, lw=0)
    ax.plot(x, curve["best"], color=plot.ink("c0"), lw=1.4, label="best model")
    for mask, face, label in (
        (fitted, plot.ink("c7"), "data, fitted"),
        (~fitted, "none", "data, other sweeps"),
    ):
        if mask.any():
            ax.plot(
                1e3 * data[mask, 0],
                data[mask, 1],
                "s",
                ms=5,
                mfc=face,
                mec=plot.ink("c7"),
                label=label,
                zorder=3,
            )
    ax.set(xlabel="amplitude of the step (pA)", ylabel="spikes per second")
    ax.legend(loc="upper left")
    plot.bare(ax)
    alt = "Spikes per second against the amplitude of a current step, data and model"
    caption = (
        "<b>f–I curve</b> during the step, as far as it is in the window. The band spans the models that are shown "
        "with the best one."
    )
    return Picture(plot.svg(figure, "f-i", alt), caption)


def currents(m: Fitted) -> Picture | None:
    """Draw the currents of the best model under its voltage: in one spike, and between two."""
    found = m.currents
    if found is None:
        return None
    spans = _spans(found)
    wide = len(spans) > 1
    figure, axes = plot.subplots(
        2, len(spans), figsize=(7.8, 4.2), squeeze=False, sharex="col", height_ratios=(1.0, 1.6)
    )  # fmt: skip
    colours = _colours(found, list(spans.values()))
    for (title, (start, stop)), (top, low) in zip(spans.items(), axes.T, strict=True):
        part = slice(start, stop)
        t = found["t_ms"][part]
        top.plot(*plot.thinned(t, found["v_mV"][part], OTHER_POINTS), color=plot.ink("c0"), lw=1.2)
        top.set_title(title, fontsize=8.5)
        for name, y in _drawn(found, colours).items():
            ink, style = colours.get(name, ("muted", ":"))
            low.plot(
                *plot.thinned(t, y[part], OTHER_POINTS), color=plot.ink(ink), ls=style, lw=1.1, label=name
            )
        low.axhline(0.0, color=plot.ink("line"), lw=0.8, zorder=-1)
        low.set_xlabel("time (ms)")
        for ax in (top, low):
            ax.margins(x=0)
            plot.bare(ax)
    axes[0, 0].set_ylabel("mV")
    axes[1, 0].set_ylabel("current (nA), outward up")
    handles, labels = axes[1, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, handlelength=1.6)
    sweep = m.results.get("currents_sweep")
    alt = "Currents through each channel at the electrode in a spike and between two spikes of the best model"
    where = "" if sweep is None else f" in {words(_named(m, sweep))}"
    caption = (
        f"<b>Which channel carries what</b>{where}: currents (nA) of the compartment at the electrode, best model."
        + (
            " Scales differ: between spikes currents are far smaller."
            if wide
            else " The model does not spike here."
        )
    )
    return Picture(plot.svg(figure, "currents", alt), caption, wide=True)


def _spans(found: Arrays) -> dict[str, tuple[int, int]]:
    """Return what is drawn, as stretches of samples: one spike and the time to the next, or the whole stimulus."""
    t, peaks = found["t_ms"], found["peaks"]
    inside = [int(k) for k in peaks if 0 <= k < len(t)]
    if not inside:
        on, off = (float(x) for x in found["stimulus_ms"][:2])
        first, last = (int(k) for k in np.searchsorted(t, [on - 10.0, off + 30.0]))
        return {"during the stimulus": (first, max(last, first + 2))}
    dt = float(t[1] - t[0])
    k = inside[len(inside) // 2 - (len(inside) > 1)]
    spike = (max(0, k - round(2.0 / dt)), min(len(t), k + round(6.0 / dt)))
    later = [other for other in inside if other > k]
    end = later[0] - round(1.0 / dt) if later else min(len(t), k + round(60.0 / dt))
    between = (min(k + round(4.0 / dt), len(t) - 2), end)
    spans = {"a spike": spike}
    return {**spans, "until the next spike": between} if between[1] - between[0] > 4 else spans


def _colours(found: Arrays, spans: Sequence[tuple[int, int]]) -> dict[str, tuple[str, str]]:
    """Return the colour and style of the currents that are largest in any of some stretches."""
    names = [str(x) for x in found["names"]]
    sizes = np.zeros(len(names))
    for start, stop in spans:
        own = np.abs(found["i_nA"][:, start:stop]).max(axis=1, initial=0.0)
        sizes = np.maximum(sizes, own / max(float(own.max(initial=0.0)), 1e-12))
    channels = [k for k in np.argsort(-sizes, kind="stable") if names[k] not in _PASSIVE]
    chosen = sorted(channels[:DRAWN])
    inks = {names[k]: (f"c{j % 7}", "-") for j, k in enumerate(chosen)}
    return {**inks, **{name: style for name, style in _PASSIVE.items() if name in names}}


def _smooth(x: np.ndarray) -> np.ndarray:
    """Return the means of neighbouring samples, 1:2:1.

    Currents between small compartments alternate from step to step, as Crank–Nicolson's voltages do.
    """
    inner = 0.25 * x[:-2] + 0.5 * x[1:-1] + 0.25 * x[2:]
    return np.concatenate([x[:1], inner, x[-1:]])


_PASSIVE = {"other compartments": ("c7", "-"), "capacitive": ("c7", "--")}


def _drawn(found: Arrays, colours: dict[str, tuple[str, str]]) -> dict[str, np.ndarray]:
    """Return the currents with colours by name, and the sum of all others."""
    names = [str(x) for x in found["names"]]
    drawn = {
        name: _smooth(found["i_nA"][k]) if name in _PASSIVE else found["i_nA"][k]
        for k, name in enumerate(names)
        if name in colours
    }
    rest = [found["i_nA"][k] for k, name in enumerate(names) if name not in colours]
    return {**drawn, f"{len(rest)} others": np.sum(rest, axis=0)} if rest else drawn
