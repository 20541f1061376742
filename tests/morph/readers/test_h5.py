"""BlueBrain HDF5 files: equal to the same cell in ASC, to MorphIO, and every table that cannot be."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from cajax.base.errors import CajaxWarning, MorphologyError
from cajax.morph import Morphology, read_morphology

SOMA = [[9, 0, 0, 0], [0, 9, 0, 0], [-9, 0, 0, 0], [0, -9, 0, 0]]
POINTS = [*SOMA, [0, 5, 0, 2], [0, 30, 0, 2], [0, 30, 0, 1], [9, 50, 0, 1], [0, 30, 0, 1], [-9, 50, 0, 1]]
STRUCTURE = [[0, 1, -1], [4, 3, 0], [6, 3, 1], [8, 2, 1]]
ASC = """("CellBody" (CellBody) (9 0 0 0) (0 9 0 0) (-9 0 0 0) (0 -9 0 0))
( (Dendrite) (0 5 0 2) (0 30 0 2) ( (0 30 0 1) (9 50 0 1) Normal | (0 30 0 1) (-9 50 0 1) Normal ) )
"""


@pytest.fixture
def write(tmp_path: Path):
    def write(points=POINTS, structure=STRUCTURE, version=(1, 3), **options) -> Path:
        path = tmp_path / "cell.h5"
        with h5py.File(path, "w") as file:
            if points is not None:
                file.create_dataset("points", data=np.asarray(points, np.float32), **options)
            if structure is not None:
                file.create_dataset("structure", data=np.asarray(structure, np.int32), **options)
            if version is not None:
                file.create_group("metadata").attrs["version"] = np.asarray(version, np.uint32)
        return path

    return write


def same(a: Morphology, b: Morphology) -> None:
    assert a.tags == b.tags
    np.testing.assert_array_equal(a.parent, b.parent)
    np.testing.assert_array_equal(a.attach, b.attach)
    np.testing.assert_allclose(a.lengths, b.lengths, rtol=1e-6)
    np.testing.assert_allclose(a.areas, b.areas, rtol=1e-6)


@pytest.mark.parametrize("version", [(1, 0), (1, 1), (1, 4), None])
def test_h5_equals_asc(write, tmp_path: Path, version):
    (tmp_path / "cell.asc").write_text(ASC)
    morph = read_morphology(write(version=version))
    asc = read_morphology(tmp_path / "cell.asc")
    assert morph.tags == ("soma", "basal", "basal", "axon")
    np.testing.assert_array_equal(morph.attach, asc.attach)
    np.testing.assert_allclose(morph.areas, asc.areas, rtol=1e-6)


def test_what_morphio_writes_is_read(tmp_path: Path):
    morphio = pytest.importorskip("morphio")
    path = tmp_path / "cell.asc"
    path.write_text(ASC)
    morphio.mut.Morphology(str(path)).write(str(tmp_path / "cell.h5"))
    same(read_morphology(tmp_path / "cell.h5"), read_morphology(path))


def test_packed_tables_and_doubles_are_read(write):
    plain = read_morphology(write())
    same(read_morphology(write(compression="gzip", shuffle=True, fletcher32=True)), plain)
    same(read_morphology(write(points=np.array(POINTS, np.float64))), plain)


def test_without_a_soma_the_first_section_is_a_root(write):
    points, structure = POINTS[4:], [[0, 3, -1], [2, 3, 0], [4, 2, 0]]
    morph = read_morphology(write(points, structure))
    assert morph.parent.tolist() == [-1, 0, 0] and morph.attach.tolist() == [1.0] * 3
    with pytest.warns(CajaxWarning, match="nothing joins its 2 trees"):
        assert read_morphology(write(points, [[0, 3, -1], [2, 3, 0], [4, 2, -1]])).parent.tolist() == [
            -1,
            0,
            -1,
        ]


def test_a_soma_without_points_is_none(write):
    structure = [[0, 1, -1], [0, 3, 0], [2, 3, 1], [4, 2, 1]]
    assert read_morphology(write(POINTS[4:], structure)).parent.tolist() == [-1, 0, 0]


def test_a_soma_alone_and_small_ones(write):
    alone = read_morphology(write(SOMA, [[0, 1, -1]]))
    assert alone.tags == ("soma",)
    sphere = read_morphology(
        write([[0, 0, 0, 8], *POINTS[4:]], [[0, 1, -1], [1, 3, 0], [3, 3, 1], [5, 2, 1]])
    )
    assert sphere.areas[0] == pytest.approx(4 * np.pi * 16)


def test_scale_and_thin_radii(write):
    small = read_morphology(write())
    large = read_morphology(write(points=np.array(POINTS) * 1000), scale=1e-3)
    same(small, large)
    zero = np.array(POINTS, float)
    zero[5, 3] = 0
    with pytest.raises(MorphologyError, match="radius 0 µm"):
        read_morphology(write(points=zero))
    assert read_morphology(write(points=zero), min_radius=0.1).radius.min() == pytest.approx(0.1)


def test_a_gap_is_doubted(write):
    moved = np.array(POINTS, float)
    moved[6, 0] = 3
    with pytest.warns(CajaxWarning, match="section 2 does not start where its parent ends"):
        read_morphology(write(points=moved))


def _with(table: list, row: int, column: int, value: float) -> list:
    table = [list(r) for r in table]
    table[row][column] = value
    return table


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"points": None}, "has no table 'points'; expected a BlueBrain morphology"),
        ({"structure": None}, "has no table 'structure'"),
        ({"points": np.zeros((5, 3))}, "'points' must be a table of 4 columns"),
        ({"points": np.zeros(8)}, "'points' must be a table of 4 columns"),
        ({"structure": np.zeros((0, 3))}, "'structure' is empty"),
        ({"structure": [[0, 3]]}, "'structure' must be a table of 3 columns"),
        ({"version": (2, 0)}, r"is an HDF5 morphology of version 2\.0; only version 1 is read"),
        ({"version": np.ones((3, 3))}, "the version in its metadata is no pair of numbers"),
        ({"structure": _with(STRUCTURE, 2, 0, 99)}, "row 2 of 'structure' is .99, 3, 1., but its first point must"),
        ({"structure": _with(STRUCTURE, 2, 0, -1)}, "row 2 of 'structure' is .-1, 3, 1., but its first point must"),
        ({"structure": _with(STRUCTURE, 2, 0, 4)}, "row 1 of 'structure' is .4, 3, 0., but it has no points"),
        ({"structure": _with(STRUCTURE, 0, 0, 1)}, "row 0 .* but points before it belong to no section"),
        ({"structure": _with(STRUCTURE, 2, 1, 1)}, "row 2 .* but its type must be positive, and 1 .the soma. only"),
        ({"structure": _with(STRUCTURE, 2, 1, 0)}, "row 2 .* but its type must be positive"),
        ({"structure": _with(STRUCTURE, 2, 2, 2)}, "row 2 .* but its parent must be a row before it"),
        ({"structure": _with(STRUCTURE, 1, 2, -1)}, "row 1 .* but its parent must be a row before it, 0 for a tree"),
        ({"points": _with(POINTS, 5, 3, -2)}, "row 5 of 'points': radius -1 must be positive"),
        ({"points": _with(POINTS, 5, 0, np.nan)}, "row 5 of 'points': x, y, z and radius must be finite"),
        ({"points": _with(POINTS, 5, 0, 1e30)}, "row 5 of 'points': x, y, z and radius must be finite"),
        ({"points": [[0, 0, 0, 0]] * 4 + POINTS[4:]}, "rows 0 to 3 of 'points': the soma outline surrounds no area"),
    ],
)  # fmt: skip
def test_broken_tables(write, tables: dict, message: str):
    with pytest.raises(MorphologyError, match=message) as error:
        read_morphology(write(**tables))
    assert "\n" not in str(error.value) and "cell.h5" in str(error.value)


def test_another_kind_of_file(tmp_path: Path):
    (tmp_path / "x.h5").write_text("not HDF5")
    with pytest.raises(MorphologyError, match=r"x.h5 is damaged or no morphology in HDF5") as error:
        read_morphology(tmp_path / "x.h5")
    assert "\n" not in str(error.value)


def test_version_2_is_named(tmp_path: Path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_group("neuron1/structure")
    with pytest.raises(MorphologyError, match="of version 2, which is not read; convert it to version 1"):
        read_morphology(tmp_path / "x.h5")


def test_tables_of_other_types(tmp_path: Path):
    for name, data, message in (
        ("points", np.full((9, 4), b"text"), "'points' holds .*, not numbers"),
        ("structure", np.zeros((9, 3)), "'structure' holds float64, not numbers"),
        ("structure", np.full((9, 3), 2**63, np.uint64), "'structure' holds numbers that are too large"),
    ):
        tables = {"points": np.zeros((9, 4)), "structure": np.zeros((9, 3), int)} | {name: data}
        with h5py.File(tmp_path / "x.h5", "w") as file:
            for key, table in tables.items():
                file[key] = table
        with pytest.raises(MorphologyError, match=message):
            read_morphology(tmp_path / "x.h5")


def test_claims_of_size_are_checked_before_reading(tmp_path: Path):
    for shape, chunks, message in (
        ((2**40, 4), (1024, 4), "would take 1,099,511,627,776 rows, at most 500,000"),
        ((1000, 4), (2**27, 4), "bytes a chunk, at most 100,000,000"),
    ):
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file.create_dataset("points", shape, "f8", chunks=chunks, maxshape=(None, 4))
            file["structure"] = np.zeros((1, 3), int)
        with pytest.raises(MorphologyError, match=message):
            read_morphology(tmp_path / "x.h5")


def test_tables_in_other_files_are_not_read(tmp_path: Path, write):
    source = write()
    target = tmp_path / "x.h5"
    with h5py.File(target, "w") as file:
        file["points"] = h5py.ExternalLink(str(source), "points")
    with pytest.raises(MorphologyError, match="has no table 'points'"):
        read_morphology(target)
    with h5py.File(target, "w") as file:
        file.create_dataset("points", (10, 4), "f4", external=[(str(source), 0, 160)])
    with pytest.raises(MorphologyError, match="'points' lies in another file"):
        read_morphology(target)
