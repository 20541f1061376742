"""Measured features: their mean and standard deviation over repeats of a protocol, and how small the latter may be."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from ...base.checks import number, of_kind
from ...base.errors import ParameterError
from ...base.types import Array, Float
from ..recordings import Sweep
from .catalogue import FEATURES
from .efeatures import efeatures

FLOORS: Mapping[str, tuple[float, float]] = {
    "Spikecount": (0.05, 0.5),
    "mean_frequency": (0.05, 0.5),
    "time_to_first_spike": (0.0, 5.0),
    "time_to_last_spike": (0.02, 5.0),
    "inv_first_ISI": (0.1, 0.5),
    "ISI_CV": (0.0, 0.1),
    "adaptation_index2": (0.0, 0.01),
    "AP_amplitude": (0.0, 2.0),
    "AP_begin_voltage": (0.0, 2.0),
    "AP_duration_half_width": (0.0, 0.1),
    "min_AHP_values": (0.0, 2.0),
    "voltage_base": (0.0, 2.0),
    "steady_state_voltage_stimend": (0.0, 2.0),
    "voltage_after_stim": (0.0, 2.0),
}
"""Feature → least standard deviation: the larger of a share of its mean and a value in its unit.

The values are the Allen Institute's for its own fits (Gouwens et al. 2018, Nat Commun 9:710; the example of minimum
feature standard deviations in AllenInstitute/biophys_optimize), but that of adaptation, ten times theirs.
"""
OTHERWISE = (0.1, 1e-3)
"""The same for features that are not in the table."""


def floor(name: str, mean: float) -> float:
    """Return the least standard deviation of a feature."""
    share, least = FLOORS.get(name, OTHERWISE)
    return max(abs(mean) * share, least)


def over_spikes(x: Float[Array, "..."], name: str) -> Float[Array, "..."]:
    """Return the mean over spikes of a feature that every spike has; of others, the feature."""
    if not FEATURES[name].per_spike:
        return x
    real = jnp.isfinite(x)
    count = real.sum(-1)
    mean = jnp.where(real, x, 0.0).sum(-1) / jnp.maximum(count, 1).astype(x.dtype)
    return jnp.where(count > 0, mean, jnp.nan)


def measure(
    sweeps: Sequence[Sweep] | Sweep,
    names: Sequence[str],
    *,
    least: Mapping[str, float] | None = None,
    **options: Any,
) -> dict[str, tuple[float, float]]:
    """Return feature → (mean, standard deviation) over `sweeps`, repeats of one protocol in current clamp.

    It is what `Features(given={sweep name: …})` takes. A feature that every spike has is the mean over the spikes of a
    sweep; one that no sweep has is left out. The deviation is that of a sample over the sweeps, but not less than the
    feature's entry in `least` or else its floor (`FLOORS`); of a single sweep it is this. `options` go to `efeatures`.
    Raises `ParameterError` for sweeps of different protocols, in voltage clamp, without a stimulus, or with more spikes
    than `most=`.
    """
    sweeps = (sweeps,) if isinstance(sweeps, Sweep) else tuple(sweeps)
    _one_protocol(sweeps)
    known = {
        name: number(
            x, FEATURES[name].unit if name in FEATURES else "1", f"measure: least[{name!r}]", above=0.0
        )
        for name, x in (least or {}).items()
    }
    values = np.array([_values(sweep, tuple(names), options) for sweep in sweeps])
    found = {}
    for name, x in zip(names, values.T, strict=True):
        x = x[np.isfinite(x)]
        if len(x):
            mean, sd = float(x.mean()), float(x.std(ddof=1)) if len(x) > 1 else 0.0
            found[name] = mean, max(sd, known.get(name, floor(name, mean)))
    return found


def _values(sweep: Sweep, names: tuple[str, ...], options: Mapping[str, Any]) -> list[float]:
    about = {"on": sweep.on, "off": sweep.off, "amplitude": sweep.amplitude}
    found = efeatures(sweep.v, sweep.dt, (*names, "Spikecount", "peak_time"), **about, **options)
    if int(found["Spikecount"]) > (most := found["peak_time"].shape[-1]):
        raise ParameterError(
            f"measure: sweep '{sweep.name}' has {int(found['Spikecount'])} spikes, room is for {most}; give a larger"
            " most="
        )
    return [float(over_spikes(found[name], name)) for name in names]


def _one_protocol(sweeps: tuple[Sweep, ...]) -> None:
    """Raise `ParameterError` unless all sweeps have the same stimulus."""
    if not sweeps:
        raise ParameterError("measure: there are no sweeps; give one or more repeats of a protocol")
    for sweep in sweeps:
        of_kind(sweep, Sweep, "measure: sweeps", "a list of the sweeps of read_recording(…)")
        if sweep.mode != "current" or not np.isfinite(sweep.on) or not np.isfinite(sweep.off):
            raise ParameterError(
                f"measure: sweep '{sweep.name}' is no current clamp with a stimulus; features need its begin and end"
            )
        first = sweeps[0]
        times = max(abs(sweep.on - first.on), abs(sweep.off - first.off))
        if times > 1.0 or abs(sweep.amplitude - first.amplitude) > 0.05 * abs(first.amplitude) + 1e-3:
            raise ParameterError(
                f"measure: sweep '{sweep.name}' ({sweep.amplitude:.4g} nA from {sweep.on:g} ms) is no repeat of"
                f" '{first.name}' ({first.amplitude:.4g} nA from {first.on:g} ms); measure each protocol for itself"
            )
