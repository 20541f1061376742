"""How good the models of a study are: features with z-scores, scores of fitted and held-out sweeps, the f–I curve."""

from collections.abc import Sequence
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from ..features import FEATURES
from ..objective import Objective
from ..recordings import Recording, Sweep
from ..search.problem import BRIEF
from ..terms import WORST, Features, Term
from .choice import crossings
from .contents import Curve, FeatureRow
from .plan import Plan
from .protocols import Protocols

AMPLITUDES = 12
"""Amplitudes at which the f–I curve of a model is computed."""
SAME = 1.0
"""Steps that begin and end within so many ms of each other are points of one f–I curve."""


@final
class Assessor:
    """Scores and residuals of voltages by an objective; one compiled program of `lanes` candidates."""

    def __init__(self, objective: Objective, lanes: int) -> None:
        self.objective, self.lanes = objective, lanes
        brief = BRIEF if jax.default_backend() == "cpu" else None
        self._residuals = jax.jit(jax.vmap(objective.residuals), compiler_options=brief)

    def __call__(self, v: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return scores [candidate] and the residuals [candidate, sweep, place, residual] of every term.

        `v` [candidate, sweep, sample] mV is at the one place of the objective.
        """
        parts = [self._part(v[k : k + self.lanes]) for k in range(0, len(v), self.lanes)]
        residuals = [np.concatenate(rs) for rs in zip(*parts, strict=True)]
        scores = np.zeros(len(v))
        for term, counted, r in zip(self.objective.terms, self.objective.counted, residuals, strict=True):
            scores += term.weight * np.abs(r).sum((1, 2, 3)) / max(int(counted.sum()), 1)
        return scores, residuals

    def _part(self, v: np.ndarray) -> list[np.ndarray]:
        dtype = jax.dtypes.canonicalize_dtype(float)
        full = np.concatenate([v, np.broadcast_to(v[:1], (self.lanes - len(v), *v.shape[1:]))])
        found = self._residuals(jnp.asarray(full[:, :, None], dtype))
        return [np.asarray(r, float)[: len(v)] for r in found]


def feature_rows(
    objective: Objective, numbers: Sequence[int], use: str, residuals: list[np.ndarray], accepted: np.ndarray
) -> list[FeatureRow]:
    """Return a row for every feature of every sweep, and one for every other term, of candidate 0.

    `residuals` are those of an `Assessor`, `accepted` [candidate] says which candidates the range is of.
    """
    rows: list[FeatureRow] = []
    for k, number in enumerate(numbers):
        parts = zip(objective.terms, objective.measured, objective.counted, residuals, strict=True)
        for term, measured, counted, r in parts:
            here = counted[k, 0]
            about: Any = {"sweep": number, "use": use, "term": type(term).__name__}
            if isinstance(term, Features):
                own = {name: np.asarray(measured[name], float)[k, 0] for name in ("mean", "sd")}
                rows += _features(term, own, here, r[:, k, 0], accepted, about)
            elif here.any():
                rows.append(_other(term, here, r[:, k, 0], about))
    return rows


def _features(
    term: Features,
    measured: dict[str, np.ndarray],
    here: np.ndarray,
    r: np.ndarray,
    accepted: np.ndarray,
    about: Any,
) -> list[FeatureRow]:
    mean, sd = measured["mean"], measured["sd"]
    known = np.abs(r) < WORST
    values = np.where(known, mean + sd * r, np.nan)
    range_of = [
        [float(x) for x in (np.nanmin(column), np.nanmax(column))] if np.isfinite(column).any() else [None, None]
        for column in values[accepted].T
    ] if accepted.any() else [[None, None]] * len(here)  # fmt: skip
    rows: list[Any] = [
        {
            **about, "order": j, "name": name, "unit": FEATURES[name].unit, "mean": float(mean[j]), "sd": float(sd[j]),
            "value": float(values[0, j]) if known[0, j] else None, "z": float(r[0, j]),
            "least": range_of[j][0], "most": range_of[j][1],
        }
        for j, name in enumerate(term.names()) if here[j]
    ]  # fmt: skip
    return rows


def _other(term: Term, here: np.ndarray, r: np.ndarray, about: Any) -> FeatureRow:
    """Return the row of a term that is no list of features: the mean size of its residuals stands for all."""
    size = float(np.abs(r[0, here]).mean())
    row: Any = {
        **about, "order": 1000, "name": type(term).__name__, "unit": "SD", "mean": 0.0, "sd": 1.0, "value": size,
        "z": size, "least": None, "most": None,
    }  # fmt: skip
    return row


def within(residuals: list[np.ndarray], objective: Objective, sd: float) -> list[int]:
    """Return how many compared residuals of candidate 0 are within `sd` standard deviations, and of how many."""
    parts = [np.abs(r[0][c]) <= sd for r, c in zip(residuals, objective.counted, strict=True)]
    return [int(sum(p.sum() for p in parts)), sum(p.size for p in parts)]


def f_i_curve(plan: Plan, protocols: Protocols, best: np.ndarray, accepted: np.ndarray) -> Curve | None:
    """Return the f–I curve of the data and of models at u [parameter] and [candidate, parameter].

    None where the recording has no two amplitudes of one step, or never spikes.
    """
    reference = plan.recording[plan.choice.fitted[-1]]
    steps = _steps(plan.recording, reference)
    stop = min(reference.off, plan.start + plan.objective.samples * plan.objective.dt)
    rates = [1e3 * crossings(s.v, s.dt, s.on, stop) / (stop - s.on) for _, s in steps] if steps else []
    amplitudes = sorted({s.amplitude for _, s in steps})
    if len(amplitudes) < 2 or not any(rates):
        return None
    grid = np.linspace(min(0.0, amplitudes[-1]), 1.1 * amplitudes[-1], AMPLITUDES)
    grid = grid if amplitudes[-1] > 0.0 else np.linspace(amplitudes[0], amplitudes[-1], AMPLITUDES)
    t, trace = plan.objective.t, plan.objective.trace(len(plan.choice.fitted) - 1)
    during = (t >= trace.on) & (t < trace.off)
    first = np.full(len(grid), plan.objective.voltages[-1, 0, 0])
    i = reference.holding + grid[:, None] * during
    members = np.concatenate([best[None], accepted.reshape(-1, len(best))])
    v = protocols(members, i, first)
    model = np.array([[_rate(x, plan.objective.dt, trace.on, trace.off) for x in row] for row in v])
    return {
        "data": [[float(s.amplitude), float(rate)] for (_, s), rate in zip(steps, rates, strict=True)],
        "fitted": [k in plan.choice.fitted for k, _ in steps],
        "amplitudes": grid.tolist(), "best": model[0].tolist(),
        "least": model.min(0).tolist(), "most": model.max(0).tolist(),
    }  # fmt: skip


def _rate(v: np.ndarray, dt: float, on: float, off: float) -> float:
    """Return spikes a second; a run that fails has none from there on."""
    return 1e3 * crossings(np.nan_to_num(v, nan=-1e3), dt, on, off) / (off - on)


def _steps(recording: Recording, reference: Sweep) -> list[tuple[int, Sweep]]:
    """Return the steps in current clamp that begin and end with the reference, numbered."""
    return [
        (k, s)
        for k, s in enumerate(recording)
        if s.kind == "step" and s.mode == "current"
        and abs(s.on - reference.on) <= SAME and abs(s.off - reference.off) <= SAME
    ]  # fmt: skip
