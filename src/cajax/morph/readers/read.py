"""Reading a morphology from a file, by its suffix."""

from pathlib import Path

import numpy as np

from ...base.errors import MorphologyError
from ..morphology import Branch, Morphology, pruned
from . import contour
from .asc import read_asc
from .swc import read_swc


def read_morphology(path: str | Path) -> Morphology:
    """Read a `.swc`, Neurolucida `.asc` or BlueBrain `.h5` file as NEURON would import it.

    Areas and section lengths equal those of NEURON's Import3D (`Import3d_SWC_read`, `Import3d_Neurolucida3`); dendrites
    on a soma attach to its middle. Raises `MorphologyError` naming the file, the line and what was expected.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise MorphologyError(f"cannot read '{path}': the suffix must be one of {', '.join(_READERS)}")
    if path.is_dir():
        raise MorphologyError(f"'{path}' is a folder, not a file; give the path of a morphology file")
    if not path.exists():
        raise MorphologyError(f"no file '{path}'; check the path")
    try:
        return reader(path)
    except MorphologyError as error:
        if str(path) in str(error):
            raise
        raise MorphologyError(f"{path}: {error}") from None
    except OSError as error:
        raise MorphologyError(f"cannot read '{path}': {error.strerror or error}") from None


def read_h5(path: Path) -> Morphology:
    """Read a BlueBrain HDF5 morphology through MorphIO; its soma is an outline."""
    import morphio  # imported only where it is used

    morphio.set_maximum_warnings(0)
    try:
        file = morphio.Morphology(str(path))
        soma = np.column_stack([file.soma.points, file.soma.diameters / 2]).astype(float)
        sections = [
            (s.points, s.diameters, -1 if s.is_root else s.parent.id, int(s.type)) for s in file.sections
        ]
    except (morphio.MorphioError, RuntimeError) as error:
        raise MorphologyError(f"{path} is not a morphology in HDF5: {' '.join(str(error).split())}") from None
    branches: list[Branch] = []
    if len(soma) >= 3:
        branches.append(Branch(contour.soma([soma[:, :3]]), -1, 1.0, "soma"))
    elif len(soma):
        branches.append(Branch(contour.sphere(soma[0]) if len(soma) == 1 else soma, -1, 1.0, "soma"))
    first = len(branches)
    for points, diameters, parent, kind in sections:
        tag = _H5_TAGS.get(kind, f"custom{kind}")
        up, attach = (parent + first, 1.0) if parent >= 0 else (first - 1, 0.5 if first else 1.0)
        branches.append(Branch(np.column_stack([points, diameters / 2]).astype(float), up, attach, tag))
    return Morphology.of(pruned(branches))


_READERS = {".swc": read_swc, ".asc": read_asc, ".h5": read_h5}
_H5_TAGS = {1: "soma", 2: "axon", 3: "basal", 4: "apical"}
