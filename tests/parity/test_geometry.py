"""Every morphology has NEURON's sections, areas, resistances and wiring (facts by neuron_geometry.py, NEURON 9)."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import cajax as cx
from cajax.base.errors import CajaxWarning
from cajax.mech import Leak
from cajax.morph import Branch, CVs, DLambda, Morphology, PerBranch, discretize, read_morphology

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / ".." / "shared" / "data" / "morphologies"
FACTS = json.loads((HERE / "geometry.json").read_text())
KNOWN = sorted(name for name, facts in FACTS.items() if facts)
APART = {"samples/no_soma.asc", "samples/two_somas.asc"}
ROOTS = {name for name in FACTS if name.startswith("samples/root")}
POINT_ROOTS = {name for name in FACTS if name.startswith("samples/point_root")}
MEGAOHM = 100.0 * 0.01  # 1/µm of ∫dx/(πr²) at 100 Ω·cm in MΩ


def _samples() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("geometry_samples", HERE / "geometry_samples.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    named = {".swc": module.SWC, ".asc": module.ASC}
    return {f"samples/{k}{suffix}": text for suffix, texts in named.items() for k, text in texts.items()}


@pytest.fixture
def morph(name: str, tmp_path: Path) -> Morphology:
    if name.startswith("samples/"):
        path = tmp_path / Path(name).name
        path.write_bytes(_samples()[name].encode())
        if name in APART:
            with pytest.warns(CajaxWarning, match="nothing joins its . trees"):
                return read_morphology(path)
        if name in ROOTS:
            with pytest.warns(CajaxWarning, match="a second root is joined to the"):
                return read_morphology(path)
        return read_morphology(path)
    if not DATA.exists():
        pytest.skip("needs the morphologies in ../shared/data")
    return read_morphology(DATA / name)


@pytest.mark.parametrize("name", KNOWN)
def test_sections_and_area(name: str, morph: Morphology):
    facts = FACTS[name]
    assert len(morph.parent) == facts["sections"]
    np.testing.assert_allclose(morph.lengths, facts["lengths"], rtol=1e-4)
    np.testing.assert_allclose(morph.areas.sum(), facts["area"], rtol=1e-6)
    if name in POINT_ROOTS:
        return  # 1e-9 µm are lost in single precision
    rounded = replace(morph, xyz=morph.xyz.astype(np.float32))  # as NEURON keeps its points
    np.testing.assert_allclose(rounded.lengths, facts["lengths"], rtol=1e-6)


@pytest.mark.parametrize("name", KNOWN)
def test_d_lambda(name: str, morph: Morphology):
    np.testing.assert_array_equal(DLambda(0.1).counts(morph, 100.0, 1.0), FACTS[name]["d_lambda"])


@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize("name", [k for k in KNOWN if "nseg4" in FACTS[k]])
def test_segments(name: str, n: int, morph: Morphology):
    facts, cvs = FACTS[name][f"nseg{n}"], discretize(morph, PerBranch(n), 100.0, 1.0)
    np.testing.assert_allclose(cvs.area, facts["area"], rtol=1e-5)
    resist = cvs.resist_in.copy()
    inner = np.setdiff1d(np.arange(len(cvs)), cvs.offsets[:-1])
    resist[inner] += cvs.resist_out[inner - 1]
    np.testing.assert_allclose(resist * MEGAOHM, facts["ri"], rtol=2e-5)
    ends = cvs.offsets[1:] - 1
    open_ends = morph.radius[morph.offsets[1:] - 1] > 0  # a cone's resistance diverges
    found, wanted = cvs.resist_out[ends] * MEGAOHM, np.array(facts["ri_end"])
    np.testing.assert_allclose(found[open_ends], wanted[open_ends], rtol=1e-5)


def _impedance(cvs: CVs) -> np.ndarray:
    """Transfer resistances [N] in MΩ from the middle of branch 0 for a membrane of 1e-4 S/cm², by a dense solve."""
    m = len(cvs.node_parent)
    child = np.flatnonzero(cvs.node_parent >= 0)
    parent = cvs.node_parent[child]
    g = 1 / ((cvs.res_child[child] + cvs.res_parent[child]) * MEGAOHM)
    a = np.zeros((m, m))
    np.add.at(a, (child, child), g)
    np.add.at(a, (parent, parent), g)
    a[child, parent] -= g
    a[parent, child] -= g
    place = np.empty(len(cvs), int)
    place[cvs.node_cv[cvs.node_cv >= 0]] = np.flatnonzero(cvs.node_cv >= 0)
    a[place, place] += cvs.area * 1e-4 * 1e-8 * 1e6  # µS
    b = np.zeros(m)
    b[place[cvs.containing(0, 0.5)]] = 1.0
    return np.linalg.solve(a, b)[place]


# NEURON's own impedance at a root without length is lost to rounding (1 MΩ where the cell has 5,170); see below.
@pytest.mark.parametrize("name", [k for k in KNOWN if FACTS[k]["sections"] < 160 and k not in POINT_ROOTS])
def test_wiring(name: str, morph: Morphology):
    cvs = discretize(morph, PerBranch(3), 100.0, 1.0)
    facts, z = FACTS[name], _impedance(cvs)
    np.testing.assert_allclose(z[cvs.containing(0, 0.5)], facts["input"], rtol=1e-6)
    np.testing.assert_allclose(z.sum(), facts["transfer"], rtol=1e-6)


@pytest.mark.parametrize("name", ["samples/point_root.swc", "samples/point_root.asc"])
def test_a_root_without_length_joins_its_children(name: str, morph: Morphology):
    """As if the second child began where the first one does, with nothing between."""
    points = np.column_stack([morph.xyz, morph.radius])
    first, second = (points[morph.offsets[k] : morph.offsets[k + 1]] for k in (1, 2))
    joined = Morphology.of([Branch(first), Branch(second, 0, 0.0)])

    def voltages(morph: Morphology, near: int, far: int) -> list[float]:
        cell = cx.Cell(morph, v0=-65.0).paint("all", leak=Leak(g=1e-4, e=-65.0))
        inputs = [cx.IClamp(cx.at(near, 0.5), 0.0, 50.0, 1e-3)]
        record = {"near": cx.at(near, 0.5), "far": cx.at(far, 1.0)}
        sol = cx.simulate(cell.discretize(PerBranch(3)), 50.0, inputs=inputs, record=record)
        return [float(sol[k][-1]) for k in record]

    np.testing.assert_allclose(voltages(morph, 1, 2), voltages(joined, 0, 1), atol=1e-6)


def test_a_root_repeated_with_a_parent_is_one_point():
    """NEURON refuses this file for its duplicate id."""
    if not DATA.exists():
        pytest.skip("needs the morphologies in ../shared/data")
    morph = read_morphology(DATA / "corner_cases" / "morph_multiple_roots.swc")
    assert len(morph.parent) == 1
    assert morph.lengths[0] == pytest.approx(3.0)
