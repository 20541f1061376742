"""Recordings in NumPy archives (.npz): arrays with names such as v_mV, i_nA, dt_ms, t_on_ms."""

from pathlib import Path

from ....base.archive import read_arrays
from ..raw import Ask, Raw
from .tables import sweeps_of


def read_npz(path: Path, ask: Ask) -> Raw:
    """Read arrays [sample] or [sweep, sample]; nothing in the archive is unpickled."""
    return sweeps_of(path, ask, read_arrays(path, "an archive of arrays"))
