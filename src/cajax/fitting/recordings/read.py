"""Reading a recording from a file, by its suffix."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...base import checks
from ...base.disk import is_folder, open_file
from ...base.errors import CajaxWarning
from .assemble import Options, assembled
from .errors import RecordingError
from .raw import Ask, Raw
from .readers.abf import read_abf
from .readers.csv import read_csv
from .readers.ibw import read_ibw
from .readers.npz import read_npz
from .readers.nwb import read_nwb
from .recording import Recording

_READERS = {
    ".nwb": read_nwb, ".abf": read_abf, ".ibw": read_ibw, ".csv": read_csv, ".tsv": read_csv, ".txt": read_csv,
    ".npz": read_npz,
}  # fmt: skip


def read_recording(
    path: str | Path,
    current: Any = None,
    *,
    sweeps: Sequence[str | int] | None = None,
    channel: str | int | None = None,
    command: str | None = None,
    mode: str | None = None,
    units: Mapping[str, str] | None = None,
    dt: float | str | None = None,
    junction: float | str = 0.0,
    bridge: float | str = 0.0,
    holding: float | str | None = None,
    on: Any = None,
    off: Any = None,
    amplitude: Any = None,
    kind: Any = None,
    clipped: str = "refuse",
    strict: bool = False,
) -> Recording:
    """Read sweeps from NWB 2 (.nwb), Axon (.abf), Igor (.ibw), text (.csv, .tsv, .txt) or NumPy (.npz) files.

    `current` is the other file of an Igor pair, else nA [sample] or [sweep, sample] where the file has none. `sweeps`
    are the names or numbers to read; `channel` (in NWB the electrode) and `command` choose among several; `mode` is
    "current" or "voltage" clamp. `units` are those of signals that have none or a wrong one, by name or as "v", "i",
    "t"; `dt` (ms) is for files without times. `junction` (mV) and `bridge` (MΩ) × i are subtracted from v, see
    `Sweep.corrected`. `holding` (nA; mV in voltage clamp) is added to a command that lacks what the amplifier held.
    `on`, `off` (ms), `amplitude` (above holding) and `kind`, for all sweeps or one each, replace what is found.

    Sweeps that are empty, unequal, not finite or clipped are left out with a `CajaxWarning` and listed in
    `.report.refused`. `clipped="keep"` keeps clipped ones; `strict=True` raises for all that is not exact. Raises
    `RecordingError` or `StoreError`, both a `CajaxError`, for files that cannot be read.
    """
    path = checks.path(path, "read_recording: path", kind=RecordingError)
    ask = Ask(channel, command, current, mode, dt, sweeps, {} if units is None else units)  # pyright: ignore[reportArgumentType]
    options = Options(junction, bridge, holding, on, off, amplitude, kind, clipped, strict)  # pyright: ignore[reportArgumentType]
    recording = assembled(path, _reader(path)(path, ask), options)
    if refused := recording.report.refused:
        count = f"{len(refused)} of {len(refused) + len(recording)} sweeps"
        warnings.warn(f"{path}: {count} left out: {refused[0]}", CajaxWarning, stacklevel=2)
    return recording


def _reader(path: Path) -> Callable[[Path, Ask], Raw]:
    """The reader of a folder, or of a file by its suffix after it is known to be one."""
    if is_folder(path):
        return read_ibw
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise RecordingError(f"cannot read '{path!s:.200}': the suffix must be one of {', '.join(_READERS)}")
    open_file(path).close()
    return _READERS[suffix]
