"""SWC files: what NEURON makes of odd ones is in tests/parity; here what it refuses, and every error."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cajax.base.errors import CajaxError, CajaxWarning, MorphologyError
from cajax.morph import Morphology, PerBranch, discretize, read_morphology

GOOD = """# a comment
1 1 0 0 0 5 -1
2 1 10 0 0 5 1
3 3 20 0 0 1 2
4 3 30 0 0 1 3
5 3 40 9 0 1 4
6 3 40 -9 0 1 4
"""


@pytest.fixture
def read(tmp_path: Path):
    numbers = itertools.count()

    def read(text: str, **options) -> Morphology:
        path = tmp_path / f"cell{next(numbers)}.swc"
        path.write_bytes(text.encode())
        return read_morphology(path, **options)

    return read


def same(a: Morphology, b: Morphology) -> bool:
    fields = ("xyz", "radius", "offsets", "parent", "attach")
    return a.tags == b.tags and all(np.array_equal(getattr(a, f), getattr(b, f)) for f in fields)


def test_branches_tags_and_attachment(read):
    morph = read(GOOD)
    assert morph.tags == ("soma", "basal", "basal", "basal")
    assert morph.parent.tolist() == [-1, 0, 1, 1]
    assert morph.attach.tolist() == [1.0, 1.0, 1.0, 1.0]
    assert morph.lengths[1] == pytest.approx(20.0)
    assert morph.radius[morph.offsets[1]] == 1.0  # a dendrite does not start with the soma's radius


def test_one_point_soma_has_the_area_of_a_sphere(read):
    morph = read("1 1 3 4 5 6 -1\n2 3 9 4 5 1 1\n3 3 20 4 5 1 2\n")
    assert morph.areas[0] == pytest.approx(4 * np.pi * 36)
    assert morph.lengths[0] == pytest.approx(12)
    assert morph.attach[1] == 0.5
    assert morph.lengths[1] == pytest.approx(11)  # the wire from the soma's middle has no membrane


def test_three_point_soma_has_the_area_of_a_sphere(read):
    morph = read("1 1 0 0 0 6 -1\n2 1 0 -6 0 6 1\n3 1 0 6 0 6 1\n4 3 6 0 0 1 1\n5 3 20 0 0 1 4\n")
    assert len(morph.parent) == 2
    assert morph.areas[0] == pytest.approx(4 * np.pi * 36)
    assert morph.attach[1] == 0.5


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "   \t\n"),
        GOOD.replace("\n", "\n\n"),
        GOOD.rstrip("\n"),
        "\ufeff" + GOOD,
        GOOD.replace("5 -1", "5 -1 # the root"),
        GOOD.replace("1\n", "1 7 7\n"),
        GOOD.replace("1 1 0 0 0 5 -1", "1.0 1 0 0 0 5e0 -1"),
        GOOD.replace("# a comment", "# Ren\xe9 O'Connor"),
    ],
)
def test_spelling_does_not_matter(read, text: str):
    assert same(read(text), read(GOOD))


def test_latin1_comments_are_read(tmp_path: Path):
    path = tmp_path / "latin.swc"
    path.write_bytes(b"# Ren\xe9\n" + GOOD.encode())
    assert len(read_morphology(path).parent) == 4


@given(seed=st.integers(0, 10**6))
def test_order_of_lines_does_not_matter(tmp_path_factory, seed: int):
    rng = np.random.default_rng(seed)
    lines = GOOD.splitlines()
    rng.shuffle(lines)
    folder = tmp_path_factory.mktemp("swc")
    (folder / "a.swc").write_text(GOOD)
    (folder / "b.swc").write_text("\n".join(lines))
    assert same(read_morphology(folder / "a.swc"), read_morphology(folder / "b.swc"))


@given(seed=st.integers(0, 10**6))
def test_names_of_points_do_not_matter(tmp_path_factory, seed: int):
    """Any unique ids give the same tree, also where a parent's id is larger than its child's."""
    ids = 1 + np.random.default_rng(seed).permutation(50)[:6]
    rows = [line.split() for line in GOOD.splitlines()[1:]]
    name = {row[0]: str(i) for row, i in zip(rows, ids, strict=True)} | {"-1": "-1"}
    text = "\n".join(" ".join([name[r[0]], *r[1:6], name[r[6]]]) for r in rows)
    folder = tmp_path_factory.mktemp("swc")
    (folder / "a.swc").write_text(GOOD)
    (folder / "b.swc").write_text(text)
    a, b = read_morphology(folder / "a.swc"), read_morphology(folder / "b.swc")
    assert a.areas.sum() == pytest.approx(b.areas.sum())
    assert np.sort(a.lengths).sum() == pytest.approx(np.sort(b.lengths).sum())


def test_a_second_root_is_joined_to_the_soma_as_in_neuron(read):
    """What NEURON makes of many such files is in tests/parity."""
    text = "1 1 0 0 0 5 -1\n2 3 0 5 0 1 1\n3 3 0 50 0 1 2\n4 2 0 0 0 1 -1\n5 2 0 -200 0 1 4\n"
    with pytest.warns(
        CajaxWarning, match=r"cell0.swc: line 4: a second root is joined to the soma, as NEURON"
    ) as w:
        morph = read(text)
    assert w[0].filename == __file__  # the caller's line, not ours
    assert morph.parent.tolist() == [-1, 0, 0] and morph.attach.tolist() == [1.0, 0.5, 0.5]
    assert morph.lengths.tolist() == [10.0, 45.0, 200.0]
    with pytest.warns(CajaxWarning, match="line 4 and others: a second root is joined to the first section"):
        read(text.replace("1 1 0", "1 3 0") + "6 2 0 0 1 1 -1\n7 2 0 0 9 1 6\n")


NM = """# Meta: {"name": "x", "units": "1 nanometer"}
1 1 784054 355558 224455 1467 -1
2 3 784054 365558 224455 300 1
3 3 784054 465558 224455 250 2
4 3 784054 565558 224455 200 3
"""


@pytest.mark.parametrize(
    "header",
    [
        '# Meta: {"units": "1 nanometer"}', "# units: nm", "#unit = nm", "# Units: 1 NM", '# "units": "nanometres"',
        "# units: 0.001 micron", "# units: 1e-3 µm", "# units: 1e-06 mm", "# UNITS: 1nm",
    ],
)  # fmt: skip
def test_the_unit_in_the_header_is_used(read, header: str):
    rest = NM.split("\n", 1)[1]
    morph = read(f"# nothing\n{header}\n{rest}")
    assert morph.radius[0] == pytest.approx(1.467)
    assert morph.lengths[1] == pytest.approx(200.0)
    assert same(read(rest, scale=1e-3), morph)


@pytest.mark.parametrize("unit", ["", "um", "1 micron", "micrometers", "1 µm"])
def test_micrometres_stay(read, unit: str):
    assert same(read(f"# units: {unit}\n{GOOD}" if unit else GOOD), read(GOOD))


def test_a_given_scale_wins_over_the_header(read):
    nm = read(NM)
    assert same(read(NM, scale=1e-3), nm) and same(read(NM, scale="1 nm"), nm)
    with pytest.warns(CajaxWarning, match="scale=2 was taken, but the header's '1 nanometer' is 0.001 µm"):
        assert read(NM, scale=2.0).radius[0] == 2934.0


@pytest.mark.parametrize("unit", ["1 dimensionless", "pixels", "[1 1 40] voxel", "?", "8 V"])
def test_a_unit_that_is_no_length_is_doubted(read, unit: str):
    text = f"# units: {unit}\n{GOOD}"
    with pytest.warns(CajaxWarning, match="which is no length: 1 µm were taken; give scale=, in µm per unit"):
        assert same(read(text), read(GOOD))
    assert read(text, scale=2.0).radius[0] == 10.0


def test_a_file_too_large_for_micrometres_is_doubted(read):
    with pytest.warns(
        CajaxWarning, match=r"2.1e\+05 µm from end to end .* if the file is in nm, give scale=1e-3"
    ):
        read(NM.split("\n", 1)[1])


def test_thin_radii_are_raised_on_request(read):
    zero = NM.replace(" 250 2", " 0 2")
    with pytest.raises(
        MorphologyError, match=r"line 4: radius 0 of point 3 must be positive .* give min_radius="
    ):
        read(zero)
    assert read(zero, min_radius=0.05).radius[-2:].tolist() == [0.05, 0.2]
    assert read(GOOD, min_radius="2 um").radius.tolist() == [5, 5, 2, 2, 2, 2, 2, 2, 2]
    assert read(GOOD + "7 3 60 9 0 0 5\n", min_radius=0.1).radius.min() == 0.1  # of a tip too


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": 0}, "scale = 0 um must be at least 1e-09"),
        ({"scale": float("nan")}, "scale = nan must be finite"),
        ({"scale": None}, "scale must be a number in um, not None"),
        ({"scale": True}, "scale must be a number in um, not True"),
        ({"scale": 10**400}, "scale must be a number in um, not a whole number above 1e30"),
        ({"scale": "1 mV"}, "scale = '1 mV'"),
        ({"min_radius": -1}, "min_radius = -1 um must be at least 1e-09"),
        ({"min_radius": [1]}, "min_radius must be one number in um, not"),
        ({"min_radius": "thin"}, "min_radius = 'thin' is not a number with a unit"),
    ],
)
def test_wrong_measures(read, options: dict, message: str):
    with pytest.raises(CajaxError, match=message) as error:
        read(GOOD, **options)
    assert len(str(error.value)) < 200


def test_radii_below_a_nanometre_are_exact(read):
    morph = read("1 3 0 0 0 0.0005 -1\n2 3 9 0 0 0.0001 1\n")
    assert morph.radius.tolist() == [5e-4, 1e-4]
    cvs = discretize(morph, PerBranch(1), 100.0, 1.0)
    assert cvs.resist_in[0] + cvs.resist_out[0] == pytest.approx(9.0 / (np.pi * 5e-4 * 1e-4))


def test_a_root_of_length_zero_is_read(read):
    morph = read("1 3 0 0 0 1 -1\n2 3 0 0 0 1 1\n3 3 10 0 0 1 2\n4 3 0 20 0 1 2\n")
    np.testing.assert_allclose(morph.lengths, [1e-9, 10.0, 20.0])
    assert morph.parent.tolist() == [-1, 0, 0]


def test_a_root_repeated_with_a_parent_is_one_point(read):
    text = "1 1 0 0 0 1 -1\n2 1 1 0 0 1 1\n3 1 2 0 0 1 -1\n4 1 3 0 0 1 3\n3 1 2 0 0 1 2\n"
    assert same(read(text), read("1 1 0 0 0 1 -1\n2 1 1 0 0 1 1\n3 1 2 0 0 1 2\n4 1 3 0 0 1 3\n"))


def test_types_without_a_name(read):
    morph = read(GOOD.replace("3 3 20", "3 5 20").replace("5 3 40", "5 0 40").replace("6 3 40", "6 12 40"))
    assert morph.tags == ("soma", "custom5", "basal", "undefined", "custom12")


def test_files_not_written_branch_by_branch_keep_their_tree(read):
    """NEURON would join points 3 and 4, which are not parent and child."""
    text = "1 1 0 0 0 5 -1\n2 3 6 0 0 1 1\n3 4 0 6 0 1 1\n4 3 16 0 0 1 2\n5 4 0 16 0 .8 3\n"
    morph = read(text)
    ends = morph.xyz[morph.offsets[1:] - 1].tolist()
    starts = morph.xyz[morph.offsets[:-1]].tolist()
    assert starts[ends.index([16, 0, 0])] == [6, 0, 0]
    assert starts[ends.index([0, 16, 0])] == [0, 6, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no points; expected lines of 7 numbers 'id type x y z radius parent'"),
        ("# only a comment\n\n", "holds no points"),
        (GOOD + "7 3 40 9 0\n", "line 8: expected 7 numbers 'id type x y z radius parent', found 5"),
        (
            GOOD + "7 3 40 9 zero 1 6\n",
            "line 8: expected 7 numbers 'id type x y z radius parent', found 'zero'",
        ),
        (GOOD + "7.5 3 40 9 0 1 6\n", "line 8: id, type and parent must be integers"),
        (GOOD + "7 3 nan 9 0 1 6\n", "line 8: expected 7 numbers .*, found 'nan'"),
        (GOOD + "7 3 -inf 9 0 1 6\n", "line 8: expected 7 numbers .*, found '-inf'"),
        (GOOD + "7 3 5_0 9 0 1 6\n", "line 8: expected 7 numbers .*, found '5_0'"),
        (GOOD + "7 3 ٣ 9 0 1 6\n", "line 8: expected 7 numbers .*, found '٣'"),
        (GOOD + "7 3 0x5 9 0 1 6\n", "line 8: expected 7 numbers .*, found '0x5'"),
        (GOOD + "7 3 3\u20280 9 0 1 6\n", "line 8: expected 7 numbers .*, found '3.0'"),
        (GOOD + "7 3 3\xa00 9 0 1 6\n", "line 8: expected 7 numbers .*, found '3.0'"),
        (GOOD + "7 3 3\x1f0 9 0 1 6\n", "line 8: expected 7 numbers .*, found '3.0'"),
        (GOOD + "7 3 1e 9 0 1 6\n", "line 8: expected 7 numbers .*, found '1e'"),
        (GOOD + "7 3 1e999 9 0 1 6\n", "line 8: x, y, z and radius must be finite"),
        (GOOD + "7 3 1e30 9 0 1 6\n", "line 8: x, y, z and radius must be finite and within 1e.09 µm, found"),
        (GOOD + "7 3 30 9 0 1e30 6\n", "line 8: x, y, z and radius must be finite"),
        (GOOD + "7 3 30 9 0 1e-30 6\n", "line 8: radius 1e-30 must be at least 1e-09 µm"),
        (GOOD + "7 3 40 9 0 1 18446744073709551615\n", "line 8: id, type and parent must be integers below"),
        (GOOD + "7 3 40 9 0 1 -1e300\n", "line 8: id, type and parent must be integers below"),
        (GOOD + "7 1e999 40 9 0 1 6\n", "line 8: id, type and parent must be integers below"),
        (GOOD + "-7 3 40 9 0 1 6\n", "line 8: .* an id not negative"),
        (GOOD + "7 3 40 9 0 1 99\n", "line 8: parent 99 does not exist"),
        (
            GOOD + "7 3 40 9 0 1 0\n",
            "line 8: parent 0 does not exist; give an id of this file, or -1 for a root",
        ),
        (GOOD + "7 3 40 9 0 1 7\n", "line 8: point 7 is its own parent"),
        (GOOD + "6 3 50 9 0 1 4\n", "line 8: id 6 is that of line 7; ids must differ"),
        (GOOD + "6 3 40 -9 0 1 4\n", "line 8: id 6 is that of line 7"),
        (GOOD + "7 3 50 9 0 -1 6\n", "line 8: radius -1 must be positive .point 7."),
        (GOOD.replace("10 0 0 5", "10 0 0 0"), "line 3: radius 0 of point 2 must be positive"),
        (GOOD + "7 3 5 9 0 0 2\n", "line 8: radius 0 of point 7 must be positive"),
        (GOOD + "7 3 5 9 0 1 8\n8 3 5 9 0 1 9\n9 3 5 9 0 1 7\n", "line 8: point 7 does not lead to a root"),
        ("1 1 0 0 0 1 2\n2 1 1 0 0 1 1\n", "line 1: point 1 does not lead to a root .a cycle of parents."),
        ("1 1 0 0 0 1 -1\n2 1 0 0 0 1 1\n", "branch 0 .'soma'. has length 0"),
    ],
)
def test_broken_files(read, text: str, message: str):
    with pytest.raises(MorphologyError, match=message) as error:
        read(text)
    assert "\n" not in str(error.value)
    assert ".swc" in str(error.value)


def test_a_tip_may_have_radius_zero(read):
    assert (read(GOOD + "7 3 60 9 0 0 5\n").radius == 0).sum() == 1
