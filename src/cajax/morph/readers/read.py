"""Reading a morphology from a file, by its suffix."""

import re
import stat
import warnings
from pathlib import Path

import numpy as np

from ...base import checks
from ...base.errors import CajaxWarning, MorphologyError
from ...base.limits import affordable
from ..morphology import Morphology, pruned
from .asc import read_asc
from .h5 import read_h5
from .measures import Measures, Reading, doubts
from .swc import read_swc

_TEXT = {".swc": read_swc, ".asc": read_asc}
_SUFFIXES = (*_TEXT, ".h5")
_ODD_BLANK = re.compile(r"[^\S \t\n\v\f]")  # separates words in Python, in no other reader
MOST_BYTES = 40_000_000
MOST_PARTS = 2_000_000  # lines, and lists in parentheses: what a file of the most points may well have


def read_morphology(
    path: str | Path, scale: float | str = 1.0, min_radius: float | str | None = None
) -> Morphology:
    """Read a `.swc`, Neurolucida `.asc` or BlueBrain `.h5` file as NEURON would import it.

    `scale` is µm per unit of the file: 1e-3 for a file in nanometres. Left at 1, a unit in the header of an SWC file
    (`"units": "1 nanometer"`) is used. Radii below `min_radius` (µm), zeros too, become `min_radius`. Areas and
    section lengths equal those of NEURON's Import3D (`Import3d_SWC_read`, `Import3d_Neurolucida3`); dendrites on a
    soma attach to its middle.

    Raises `MorphologyError` naming the file, the line and what was expected. Warns (`CajaxWarning`) where a file can
    be read but may not mean what it says: a second root, trees that nothing joins, a size that fits nanometres only.
    """
    path = _checked(path)
    measures = Measures(scale, min_radius)  # pyright: ignore[reportArgumentType]  (converts text)
    try:
        reading = _read(path, measures)
        morph = Morphology.of(pruned(reading.branches))
    except MorphologyError as error:
        if str(path) in str(error):
            raise
        raise MorphologyError(f"{path}: {error}") from None
    except OSError as error:
        raise MorphologyError(f"cannot read '{path}': {error.strerror or error}") from None
    trees = int(np.sum(morph.parent < 0))
    apart = [f"nothing joins its {trees} trees to one another, as in NEURON"] if trees > 1 else []
    for note in (*reading.notes, *apart, *doubts(reading.branches, measures)):
        warnings.warn(f"{path}: {note}", CajaxWarning, stacklevel=2)
    return morph


def _checked(path: str | Path) -> Path:
    """The path of a regular file of a suffix and a size that can be read."""
    path = checks.path(path, "read_morphology: path", kind=MorphologyError)
    if path.suffix.lower() not in _SUFFIXES:
        raise MorphologyError(
            f"cannot read '{path!s:.200}': the suffix must be one of {', '.join(_SUFFIXES)}"
        )
    try:
        found = path.stat()
    except FileNotFoundError:
        raise MorphologyError(f"no file '{path}'; check the path") from None
    except (OSError, ValueError) as error:  # a name too long, or of characters that no file system takes
        raise MorphologyError(
            f"cannot read '{path!s:.200}': {getattr(error, 'strerror', None) or error}"
        ) from None
    if stat.S_ISDIR(found.st_mode):
        raise MorphologyError(f"'{path}' is a folder, not a file; give the path of a morphology file")
    if not stat.S_ISREG(found.st_mode):
        raise MorphologyError(f"'{path}' is no regular file (a pipe or a device); copy it to one")
    affordable(
        f"reading '{path}'", found.st_size, "bytes", MOST_BYTES, "read a smaller file", MorphologyError
    )
    return path


def _read(path: Path, measures: Measures) -> Reading:
    suffix = path.suffix.lower()
    if suffix == ".h5":
        return read_h5(path, measures)
    with path.open("rb") as file:
        content = file.read(MOST_BYTES)
    text = content.decode("utf-8", errors="replace").lstrip("\ufeff")
    text = _ODD_BLANK.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))
    for mark, parts in (("\n", "lines"), ("(", "parentheses")):
        affordable(
            f"reading '{path}'", text.count(mark), parts, MOST_PARTS, "read a smaller file", MorphologyError
        )
    return _TEXT[suffix](path, text, measures)
