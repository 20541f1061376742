"""Inputs as NEURON's: current steps, played waveforms, clamps, and trains of events."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...base.errors import ProtocolError
from ...inputs.base import Electrode, Trigger
from ...inputs.clamps import IClamp, VClamp
from ...model.structure import Structure
from .report import Report

_NEAR = 1e-5
"""How far, in steps, a moment may lie from the grid of time steps and still count as on it."""


def stimuli(
    structure: Structure, electrode: Electrode, dt: float, steps: int, report: Report
) -> Iterator[dict[str, Any]]:
    """Yield the electrodes of NEURON that do what ours does, one per site, for so many steps of `dt` ms.

    Raises `ProtocolError` for an electrode that remembers: what it does depends on the run.
    """
    sites = np.asarray(structure.sites(electrode.at))
    who = f"{type(electrode).__name__} at {_where(structure, electrode.at, sites)}"
    if electrode.start(sites.shape, jnp.result_type(float)) is not None:
        raise ProtocolError(f"{who} is not written to NEURON; give it as a Current or a VClamp of its values")
    times = jnp.arange(steps) * dt
    drive = jax.vmap(lambda t: electrode.drive(t, jnp.asarray(dt), None))(times)

    def over(x: Any) -> np.ndarray | None:
        """Return values [step, site]."""
        if x is None:
            return None
        whole = np.asarray(x, float)
        whole = whole.reshape(whole.shape[0], *(1,) * (1 + sites.ndim - whole.ndim), *whole.shape[1:])
        return np.broadcast_to(whole, (steps, *sites.shape)).reshape(steps, -1)

    # What does not change in a run comes out of `vmap` once per step all the same.
    i, g, e = (over(x) for x in drive)
    for k, cv in enumerate(sites.ravel().tolist()):
        place = {"cv": cv}
        if g is not None and e is not None:
            yield {**place, **_clamped(electrode, g[:, k], e[:, k], who, report)}
        if i is not None:
            yield {**place, **_injected(electrode, i[:, k], sites.shape, k, dt, who, report)}


def _where(structure: Structure, at: Any, sites: np.ndarray) -> str:
    """Return a place in words."""
    if isinstance(at, str):
        return f"'{at}'"
    return structure.describe(int(sites.flat[0])) if sites.size == 1 else f"{sites.size} places"


def _clamped(electrode: Electrode, g: np.ndarray, e: np.ndarray, who: str, report: Report) -> dict[str, Any]:
    report.took(f"{who}: the command of every step")
    if isinstance(electrode, VClamp):
        values = {"rs": float(electrode.rs), "dur1": 1e9, "amp1": float(e[0])}
        return _played("SEClamp", values, "amp1", e)
    if not (e == e[0]).all():
        raise ProtocolError(
            f"{who} changes its reversal potential, which is not written to NEURON; keep it fixed"
        )
    return _played("CajaxConductance", {"g": float(g[0]), "e": float(e[0])}, "g", g)


def _injected(
    electrode: Electrode, i: np.ndarray, shape: tuple[int, ...], k: int, dt: float, who: str, report: Report
) -> dict[str, Any]:
    if isinstance(electrode, IClamp):
        delay, dur, amp = (
            float(np.broadcast_to(np.asarray(x, float), shape).ravel()[k])
            for x in (electrode.delay, electrode.dur, electrode.amp)
        )
        share = i / amp if amp else np.zeros_like(i)
        if (np.abs(share - np.round(share)) < _NEAR).all():
            report.took(f"{who}: its delay, duration and amplitude")
            grid = [float(f"{x:.7g}") for x in (delay, dur)]
            return {"name": "IClamp", "values": {"delay": grid[0], "dur": grid[1], "amp": amp}}
    report.took(f"{who}: its mean current in every step, played from a Vector")
    return _played("IClamp", {"delay": 0.0, "dur": 1e9, "amp": float(i[0])}, "amp", i)


def _played(name: str, values: Mapping[str, float], what: str, over: np.ndarray) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "values": dict(values)}
    if (over != over[0]).any():
        found |= {"play": what, "values_over_time": over.tolist()}
    return found


def trains(triggers: list[Trigger], cells: int, dt: float, steps: int) -> list[list[float]]:
    """Return the moments (ms) at which triggers let every cell of a population spike."""
    found: list[list[float]] = [[] for _ in range(cells)]
    at = jnp.arange(steps)
    for trigger in triggers:
        count, age = jax.vmap(partial(_fired, trigger, cells, dt))(at)
        for n, cell in zip(*np.nonzero(np.asarray(count)), strict=True):
            moment = float((n + 1) * dt - age[n, cell])
            found[cell] += [round(moment, 9)] * int(count[n, cell])
    return [sorted(times) for times in found]


def _fired(trigger: Trigger, cells: int, dt: float, n: Any) -> tuple[Any, Any]:
    return trigger.fired(n * dt, (n + 1) * dt, n, cells)


def on_grid(times: Any, dt: float) -> bool:
    """Whether all moments (ms) are multiples of the step."""
    steps = np.asarray(times, float) / dt
    return bool((np.abs(steps - np.round(steps)) < 1e-3).all())
