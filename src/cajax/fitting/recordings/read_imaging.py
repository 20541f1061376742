"""Reading images of many sites from NWB 2 (ophys), text or NumPy files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from ...base import checks
from ...base.archive import read_arrays
from ...base.disk import open_file
from .errors import RecordingError, library
from .imaging import Imaging
from .indicator import Indicator
from .quantity import OURS, converted, measures
from .raw import natural, one_of
from .readers.csv import read_columns
from .readers.nwb_file import even_step, numbers, opened, step_of
from .readers.tables import named

_SUFFIXES = (".nwb", ".csv", ".tsv", ".txt", ".npz")


@final
class _Frames(NamedTuple):
    """Values [frame, site] as a file has them, the time between frames in ms (None unknown), names, positions, unit."""

    values: np.ndarray
    step: float | None
    sites: tuple[str, ...] = ()
    positions: Any = None
    unit: str = "dF/F"
    start: float = 0.0


def read_imaging(
    path: str | Path,
    *,
    rate: float | None = None,
    kind: str | None = None,
    indicator: Indicator | None = None,
    series: str | int | None = None,
    exposure: float = 0.0,
) -> Imaging:
    """Read the fluorescence of many sites at one frame rate.

    A text file has a column of times (t_s, t_ms) and one column a site, named after it; an archive has `values`
    [frame, site], a rate (`rate_Hz`) or times, and may have `sites` and `positions_um` [site, 3]. Names with a unit of
    voltage (`v_1_mV`) are voltage imaging. Of an NWB file the RoiResponseSeries is read, if there are several the one
    called `series`. `rate` (Hz) overrides the file's. Raises `RecordingError` or `StoreError`.
    """
    path = checks.path(path, "read_imaging: path", kind=RecordingError)
    suffix = path.suffix.lower()
    open_file(path).close()
    if suffix not in _SUFFIXES:
        raise RecordingError(f"cannot read '{path!s:.200}': the suffix must be one of {', '.join(_SUFFIXES)}")
    if suffix == ".nwb":
        found = _of_nwb(path, series)
    elif suffix == ".npz":
        found = _of_arrays(path, read_arrays(path, "an archive of arrays"))
    else:
        found = _of_columns(path, read_columns(path))
    if rate is not None:
        step = 1e3 / checks.number(rate, "1", "read_imaging: rate", above=0.0, kind=RecordingError)
    elif found.step is None:
        raise RecordingError(f"{path} has neither times nor a frame rate; give rate=30.0 (Hz)")
    else:
        step = found.step
    voltage = measures(found.unit) == "voltage"
    values = converted(found.values, found.unit, "voltage", "values", str(path)) if voltage else found.values
    return Imaging(
        values, float(f"{1e3 / step:.9g}"), kind or ("voltage" if voltage else "calcium"), indicator, found.sites,
        found.positions, found.start, exposure, OURS["voltage"] if voltage else found.unit, path.name,
    )  # fmt: skip


def _of_columns(path: Path, arrays: Mapping[str, np.ndarray]) -> _Frames:
    columns = [named(name, x) for name, x in arrays.items()]
    times = [x for x in columns if x.role == "t"]
    sites = [x for x in columns if x.role not in ("t", "dt", "rate", "on", "off")]
    if not sites:
        raise RecordingError(f"{path} has no column of a site; name columns t_s, soma, dendrite_1, …")
    lengths = {len(x.values) for x in (*sites, *times[:1])}
    if len(lengths) > 1:
        raise RecordingError(
            f"{path}: its columns have {min(lengths):,} to {max(lengths):,} frames; make them equal"
        )
    units = {x.unit for x in sites}
    if len(units) > 1:
        raise RecordingError(f"{path}: its sites have several units, {', '.join(sorted(units)[:5])}; use one")
    step, start = _times(path, times[0].values, times[0].unit, times[0].name) if times else (None, 0.0)
    unit = units.pop() or "dF/F"
    return _Frames(
        np.stack([x.values for x in sites], axis=1), step, tuple(x.name for x in sites), None, unit, start
    )


def _times(path: Path, values: np.ndarray, unit: str, name: str) -> tuple[float, float]:
    """The time between frames, and of the first one; a first frame before 0 is at 0."""
    t = converted(values, unit, "time", name, str(path))
    return even_step(t, f"{path}: '{name}'"), max(0.0, float(t[0]))


def _of_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> _Frames:
    columns = {x.name: x for x in (named(name, x) for name, x in arrays.items())}
    kept = ("sites", "positions_um", "positions")
    tables = [x for x in columns.values() if x.values.ndim == 2 and x.name not in kept]
    if len(tables) != 1 or tables[0].values.dtype.kind not in "iuf":
        listed = ", ".join(f"'{x.name}' {list(x.values.shape)}" for x in list(columns.values())[:8])
        raise RecordingError(
            f"{path}: expected one array [frame, site] of numbers, found {listed or 'nothing'}"
        )
    step, start = None, 0.0
    for x in columns.values():
        if x.role in ("rate", "dt") and x.values.size == 1 and x.values.dtype.kind in "iuf":
            quantity = "rate" if x.role == "rate" else "time"
            value = float(converted(np.ravel(x.values)[0], x.unit, quantity, x.name, str(path)))
            if not value > 0:
                raise RecordingError(f"{path}: '{x.name}' must be positive")
            step = 1.0 / value if x.role == "rate" else value
        elif x.role == "t" and x.values.dtype.kind in "iuf" and x.values.ndim == 1:
            if len(x.values) != len(tables[0].values):
                raise RecordingError(
                    f"{path}: '{x.name}' has {len(x.values):,} times for {len(tables[0].values):,} frames"
                )
            step, start = _times(path, x.values, x.unit, x.name)
    sites = tuple(np.ravel(arrays["sites"]).astype(str).tolist()) if "sites" in arrays else ()
    return _Frames(
        tables[0].values,
        step,
        sites,
        arrays.get("positions_um", arrays.get("positions")),
        tables[0].unit or "dF/F",
        start,
    )


def _of_nwb(path: Path, series: str | int | None) -> _Frames:
    with opened(path) as nwb:
        ophys = library("pynwb.ophys", "NWB files")
        found = [x for x in nwb.objects.values() if isinstance(x, ophys.RoiResponseSeries)]
        if not found:
            raise RecordingError(
                f"{path} holds no RoiResponseSeries; extract the fluorescence of sites first"
            )
        found.sort(key=lambda x: natural(x.name))
        x = found[one_of("series", [x.name for x in found], series, path)]
        dimensions = len(np.shape(x.data))
        values = numbers(path, x.name, x.data, dimensions=dimensions if dimensions in (1, 2) else 2)
        values = values.reshape(len(values), -1) * float(x.conversion) + float(x.offset)
        unit = str(x.unit)
        return _Frames(values, step_of(path, x), unit=unit if measures(unit) == "voltage" else "dF/F")
