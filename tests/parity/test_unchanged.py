"""Every number is as it was: models of every kind against `traces/unchanged.npz`, made by `unchanged_models.py`.

Double precision agrees to 1e-12 of the largest value of each recording and to 1e-10 of the norm of the gradient by each
parameter; single precision to 1e-5 of the first, and of the norm of the whole gradient. Another compiler setting rounds
by less. `pytest -s` tells where not one bit differs.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from .unchanged_models import NAMES, traces

STORED = Path(__file__).resolve().parent / "traces" / "unchanged.npz"
QUICK = {"passive", "squid", "clamps", "rates", "trains", "points", "continued"}
"""Cases that take few seconds in double precision; the rest are slow tests."""
CASES = [
    pytest.param(name, precision, marks=[] if precision == "double" and name in QUICK else [pytest.mark.slow])
    for name in NAMES
    for precision in ("double", "single")
]


@cache
def stored() -> dict[str, np.ndarray]:
    """Return all that the file holds."""
    with np.load(STORED, allow_pickle=False) as file:
        return dict(file)


def tolerance(key: str, precision: str) -> float:
    """Return the largest difference allowed, in units of what `sizes` returns."""
    if precision == "single":
        return 1e-5
    return 1e-10 if key.startswith("gradient") else 1e-12


def sizes(expected: dict[str, np.ndarray], precision: str) -> dict[str, float]:
    """Return what differences are measured by: the largest value of a recording, the norm of a gradient."""
    found = {
        k: float(np.linalg.norm(x) if k.startswith("gradient") else abs(x).max()) for k, x in expected.items()
    }
    whole = float(np.linalg.norm([x for k, x in found.items() if k.startswith("gradient")]))
    return {k: whole if precision == "single" and k.startswith("gradient") else x for k, x in found.items()}


def test_every_case_is_stored() -> None:
    assert {key.split(" ")[0] for key in stored()} == set(NAMES)


@pytest.mark.parametrize(("name", "precision"), CASES)
def test_unchanged(name: str, precision: str) -> None:
    """The same recordings, loss and gradients, of the same names, shapes and types."""
    head = f"{name} {precision} "
    expected = {key.removeprefix(head): x for key, x in stored().items() if key.startswith(head)}
    found = traces(name, precision == "single")
    assert found.keys() == expected.keys()
    apart, wrong, size = {}, [], sizes(expected, precision)
    for key, x in expected.items():
        assert found[key].shape == x.shape and found[key].dtype == x.dtype, key
        difference = float(np.abs(found[key].astype(float) - x).max())
        apart[key] = difference and difference / (size[key] or 1.0)
        if apart[key] > tolerance(key, precision):
            wrong.append(f"{key}: {apart[key]:.1e}")
    worst = max(apart, key=lambda key: apart[key] / tolerance(key, precision))
    same = sum(found[key].tobytes() == x.tobytes() for key, x in expected.items())
    bits = "the same bits" if same == len(expected) else f"the same bits in {same} of {len(expected)} arrays"
    print(f"\n{name} {precision}: {bits}; worst {worst} {apart[worst]:.1e}")
    assert not wrong, "\n".join(wrong)
