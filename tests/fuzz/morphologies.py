"""Spoiled morphology files. Each is read, maybe with a warning of ours, or is refused in one line.

python tests/fuzz/morphologies.py --seed 0 --count 25000 --seconds 3000

Two fifths are SWC, two fifths ASC, a fifth H5.
"""

import random
import resource
import sys
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a script

from cajax.base.errors import CajaxWarning
from cajax.morph import MaxLength, Morphology, PerBranch, center, discretize, read_morphology, terminals
from tests.fuzz.morphology_files import mutant, sound
from tests.fuzz.pool import Try, main

KINDS = (".swc", ".swc", ".asc", ".asc", ".h5")
MEMORY = 8 * 2**30  # bytes of address space of a child: a claim of more is an error of memory


def attempt(rng: random.Random, folder: Path) -> str:
    """Spoil a file, read it and cut it; no number of what is read may be one that cannot be."""
    suffix = rng.choice(KINDS)
    path = folder / f"spoiled{suffix}"
    path.write_bytes(mutant(suffix, rng))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        morph = read_morphology(path)
        check(morph)
    strange = [w for w in caught if not issubclass(w.category, CajaxWarning)]
    if strange:
        raise ArithmeticError(f"{strange[0].category.__name__}: {strange[0].message}")
    return f"{suffix} {'warned' if caught else 'read'}: {morph!r}"


def check(morph: Morphology) -> None:
    """Use a morphology: raises `ArithmeticError` for areas, lengths or resistances that cannot be."""
    cvs = discretize(morph, PerBranch(2), 100.0, 1.0)
    for location in (center("all"), terminals()):
        location.resolve(cvs)
    MaxLength(1e7).counts(morph, 100.0, 1.0)
    for name in ("area", "length", "radius", "distance", "resist_in", "res_child", "res_parent", "xyz"):
        if not np.isfinite(getattr(cvs, name)).all():
            raise ArithmeticError(f"{name} is not finite in {morph}")
    if not (cvs.area > 0).all() or not (cvs.length > 0).all():
        raise ArithmeticError(f"an area or a length is not positive in {morph}")


def warm() -> Try:
    """Return `attempt`, ready to run at once, in a process whose memory is bounded."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for suffix in KINDS:
        sound(suffix)
    return attempt


if __name__ == "__main__":
    main(__file__, warm)
