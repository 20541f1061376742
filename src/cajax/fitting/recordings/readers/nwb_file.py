"""Opening NWB 2 files by pynwb, and reading numbers from them after their sizes are known."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ....base.disk import open_file
from ....base.limits import affordable
from ..errors import RecordingError, library, line
from ..raw import check_size

MOST_BYTES = 2**36
_CHUNK = 10**8  # bytes that HDF5 allocates at once for a piece of an array
_LARGE, _RATIO = (
    2**28,
    500,
)  # bytes, and times the size of the file: what unpacks to more than both is no data


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a file and give its `NWBFile`; whatever the libraries raise meanwhile becomes a `RecordingError`.

    Extensions that a file brings along are known to it alone: classes are made from them, nothing of it is executed.
    """
    with open_file(path) as file:
        affordable(
            f"reading '{path}'", file.seek(0, 2), "bytes", MOST_BYTES, "split the file", RecordingError
        )
    _check_version(path)
    pynwb = library("pynwb", "NWB files")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pynwb.NWBHDF5IO(str(path), "r", load_namespaces=True) as io:
                yield io.read()
    except RecordingError:
        raise
    except Exception as error:  # pynwb, hdmf and h5py raise a dozen kinds for damaged files
        raise RecordingError(
            f"{path} is damaged or no valid NWB file ({line(error)}); copy it again"
        ) from None


def _check_version(path: Path) -> None:
    """Raise `RecordingError` for what is no HDF5, no NWB, or NWB 1."""
    import h5py  # heavy: only where a file is read

    try:
        with h5py.File(path, "r") as file:
            version = file.attrs.get("nwb_version")
            old = "nwb_version" in file
    except Exception as error:
        raise RecordingError(
            f"{path} is cut short, damaged or no HDF5 file ({line(error)}); copy it again"
        ) from None
    if version is None:
        what = (
            "an NWB 1 file, which is not read; convert it to NWB 2" if old else "an HDF5 file, but not of NWB"
        )
        raise RecordingError(f"{path} is {what}")


def numbers(path: Path, name: str, data: Any, part: slice | None = None, dimensions: int = 1) -> np.ndarray:
    """Return the numbers of a series as the file has them; `RecordingError` for other content, or for too much."""
    import h5py

    where = f"{path}: '{name}'"
    if isinstance(data, h5py.Dataset):
        _check_dataset(path, where, data)
    shape = np.shape(data)
    if len(shape) != dimensions:
        raise RecordingError(
            f"{where} has {len(shape)} dimensions, not {dimensions}; it is no recording of one signal"
        )
    check_size(where, float(np.prod(shape, dtype=float)))
    values = np.asarray(data[part] if part is not None else data[:])
    if values.dtype.kind not in "iuf":
        raise RecordingError(f"{where} holds {values.dtype}, not numbers")
    return values


def _check_dataset(path: Path, where: str, data: Any) -> None:
    """Refuse what lies in another file, and claims of a size that the file cannot have."""
    if Path(data.file.filename).resolve() != path.resolve() or data.external or data.is_virtual:
        raise RecordingError(f"{where} lies in another file; only numbers in the file itself are read")
    if data.dtype.kind not in "iuf":
        raise RecordingError(f"{where} holds {data.dtype}, not numbers")
    size = float(np.prod(data.shape, dtype=float)) * data.dtype.itemsize
    if size > _LARGE and size > _RATIO * path.stat().st_size:
        raise RecordingError(
            f"{where} would unpack to {size:,.0f} bytes, {_RATIO} times the file; it is damaged"
        )
    if data.chunks:
        chunk = float(np.prod(data.chunks, dtype=float)) * data.dtype.itemsize
        affordable(where, chunk, "bytes a chunk", _CHUNK, "write it in smaller chunks", RecordingError)


def step_of(path: Path, series: Any) -> float:
    """Return the sampling step of a series in ms, from its rate or its times."""
    if series.rate:
        step = 1e3 / float(series.rate)
    else:
        step = even_step(
            numbers(path, f"{series.name} timestamps", series.timestamps) * 1e3, f"{path}: '{series.name}'"
        )
    if not (np.isfinite(step) and 0.0 < step < 1e9):
        raise RecordingError(f"{path}: '{series.name}' has a sample each {step:g} ms, which makes no sense")
    return round(step, 9)


def even_step(t: np.ndarray, where: str) -> float:
    """Return the step of times [sample] in ms that are evenly spaced; `RecordingError` names the first that is not."""
    if len(t) < 2 or not np.isfinite(t).all():
        raise RecordingError(
            f"{where} has {len(t)} times, or some that are not finite; its sampling step is unknown"
        )
    k = np.arange(len(t)) - 0.5 * (len(t) - 1)
    step = float(k @ (t - t.mean()) / (k @ k))  # of the straight line through all: times may be rounded

    def apart(step: float) -> np.ndarray:
        return np.abs(t - t.mean() - step * k)

    plain, off = float(f"{step:.3g}"), apart(step)
    if apart(plain).max() <= 1.5 * off.max():
        step, off = plain, apart(plain)
    if not step > 0 or off.max() > 0.3 * step:
        raise RecordingError(
            f"{where} is not sampled evenly: sample {int(off.argmax()):,} lies {off.max():.3g} ms off a step of"
            f" {step:.6g} ms; resample it"
        )
    return step
