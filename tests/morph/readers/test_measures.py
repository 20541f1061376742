"""The spelling of numbers, and laws of whole files: units, thin radii, and one tree in three formats."""

import math
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cajax.base.errors import CajaxError, MorphologyError
from cajax.morph import Branch, Morphology, read_morphology
from cajax.morph.readers.measures import like_number, number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_is_a_number(x: float):
    assert number(repr(x)) == x and number(f"{x:+.17E}") == x and like_number(repr(x))


@given(st.text(st.sampled_from("0123456789+-.eE_ ٣x\0"), max_size=8))
def test_a_number_is_what_python_and_ascii_agree_on(word: str):
    try:
        plain = math.isfinite(float(word)) and word.isascii() and "_" not in word and word == word.strip(" ")
    except ValueError:
        plain = False
    found = number(word)
    assert (found is not None and math.isfinite(found)) == plain
    assert found is None or found == float(word)


@given(st.text(max_size=200), st.sampled_from([".swc", ".asc"]))
def test_any_text_is_read_or_refused(tmp_path_factory, text: str, suffix: str):
    path = tmp_path_factory.mktemp("text") / f"x{suffix}"
    path.write_text(text, encoding="utf-8", errors="replace", newline="")
    with pytest.raises(CajaxError) as error:
        read_morphology(path)
    assert "\n" not in str(error.value)


def tree(seed: int) -> list[Branch]:
    """The outline of a soma, and dendrites that start where their parents end, of single precision, as H5 keeps it."""
    rng = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    outline = np.column_stack([9 * np.cos(angle), 6 * np.sin(angle), np.zeros((12, 2))])
    branches = [Branch(outline)]
    for k in range(1, int(rng.integers(2, 12))):
        parent = int(rng.integers(k))
        steps = np.cumsum(rng.normal(0, 9, (int(rng.integers(1, 5)), 3)), axis=0)
        start = branches[parent].points[-1, :3] if parent else rng.normal(0, 1, 3)
        xyz = start + np.concatenate([np.zeros((1, 3)), steps])
        points = np.column_stack([xyz, rng.uniform(0.2, 2, len(xyz))]).astype(np.float32).astype(float)
        if parent:
            points[0, :3] = branches[parent].points[-1, :3]
        branches.append(Branch(points, parent, 1.0 if parent else 0.5, "basal"))
    return branches


def areas(branches: list[Branch]) -> list[float]:
    """The areas of the dendrites."""
    return [float(Morphology.of([b._replace(parent=-1)]).areas[0]) for b in branches[1:]]


def as_asc(branches: list[Branch]) -> str:
    def rows(points: np.ndarray) -> str:
        return " ".join(f"({x!r} {y!r} {z!r} {2 * r!r})" for x, y, z, r in points.tolist())

    def written(k: int) -> str:
        children = [j for j, b in enumerate(branches) if b.parent == k]
        split = f" ( {' | '.join(map(written, children))} )" if children else ""
        return rows(branches[k].points) + split

    trees = [f"( (Dendrite) {written(k)} )" for k, b in enumerate(branches) if b.parent == 0]
    return f'("CellBody" {rows(branches[0].points)})\n' + "\n".join(trees)


def as_h5(path: Path, branches: list[Branch]) -> None:
    start = np.cumsum([0] + [len(b.points) for b in branches])[:-1]
    points = np.concatenate([b.points for b in branches]) * [1, 1, 1, 2]
    with h5py.File(path, "w") as file:
        file["points"] = points.astype(np.float32)
        file["structure"] = [
            (n, 1 if b.parent < 0 else 3, b.parent) for n, b in zip(start, branches, strict=True)
        ]


@given(seed=st.integers(0, 10**6))
def test_one_tree_is_the_same_in_asc_and_h5(tmp_path_factory, seed: int):
    folder, branches = tmp_path_factory.mktemp("tree"), tree(seed)
    (folder / "a.asc").write_text(as_asc(branches))
    as_h5(folder / "b.h5", branches)
    a, b = read_morphology(folder / "a.asc"), read_morphology(folder / "b.h5")
    np.testing.assert_allclose(sorted(a.lengths), sorted(b.lengths), rtol=1e-5)
    np.testing.assert_allclose(a.areas.sum(), b.areas.sum(), rtol=1e-5)
    np.testing.assert_allclose(sorted(a.areas[1:]), sorted(areas(branches)), rtol=1e-5)


@given(seed=st.integers(0, 10**6), scale=st.sampled_from([1e-3, 0.5, 8.0]), thin=st.floats(0.1, 3))
def test_scale_and_thin_radii_are_laws(tmp_path_factory, seed: int, scale: float, thin: float):
    path = tmp_path_factory.mktemp("law") / "a.asc"
    branches = tree(seed)
    path.write_text(as_asc([b._replace(points=b.points / scale) for b in branches]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scaled, thick = read_morphology(path, scale), read_morphology(path, scale, thin)
    np.testing.assert_allclose(scaled.areas[1:].sum(), sum(areas(branches)))
    dendrites = scaled.offsets[1]
    np.testing.assert_allclose(thick.radius[dendrites:], np.maximum(scaled.radius[dendrites:], thin))


def test_errors_name_the_place(tmp_path: Path):
    (tmp_path / "x.swc").write_text("1 1 0 0 0 5 -1\n2 3 0 0 9 ٣ 1\n")
    with pytest.raises(MorphologyError, match=r"x.swc line 2: .* found '٣'"):
        read_morphology(tmp_path / "x.swc")
