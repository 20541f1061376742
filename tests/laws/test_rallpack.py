"""Rallpack 1: a passive cable of 1000 control volumes against its Laplace-transform solution.

Source: Bhalla, Bilitch & Bower (1992), Rallpacks: a set of benchmarks for neuronal simulators, TINS 15:453.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cajax as cx
from cajax.mech import Leak


@pytest.mark.parametrize("method", [cx.Staggered(), cx.BackwardEuler()], ids=lambda m: type(m).__name__)
def test_rallpack_1(shared: Path, method: Any) -> None:
    """Relative RMS at both ends ≤ 0.1 % with the samples' own dt of 0.05 ms."""
    ends = {"near": "ref_cable.0.gz", "far": "ref_cable.x.gz"}
    references = {}
    for name, file in ends.items():
        path = shared / "rallpack" / file
        if not path.is_file():
            pytest.skip(f"the reference waveform {file} is not at hand")
        references[name] = 1e3 * np.loadtxt(path)[:, 1]  # V → mV
    cable = cx.Cell(cx.cylinder(1000.0, 0.5), cm=1.0, ra=100.0, v0=-65.0)
    model = cable.paint("all", leak=Leak(g=1 / 40_000, e=-65.0)).discretize(cx.PerBranch(1000))
    record = {"near": cx.at(0, 0.0), "far": cx.at(0, 1.0)}
    sol = cx.simulate(model, 250.0, 0.05, [cx.IClamp(cx.at(0, 0.0), 0.0, 250.0, 0.1)], record, method)
    for name, exact in references.items():
        error = np.sqrt(np.mean((np.asarray(sol[name]) - exact) ** 2)) / np.ptp(exact)
        print(f"{type(method).__name__} {name}: relative RMS {error:.2e}")
        assert error <= 1e-3
