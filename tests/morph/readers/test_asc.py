"""Neurolucida files: parity is in tests/parity; here the grammar and every error."""

from pathlib import Path

import numpy as np
import pytest

from cajax.base.errors import CajaxWarning, MorphologyError
from cajax.morph import Morphology, read_morphology

SOMA = '("CellBody" (Color Red) (CellBody) (9 0 0 0) (0 9 0 0) (-9 0 0 0) (0 -9 0 0))'
TREE = """( (Color RGB (1, 2, 3)) (Axon) ; a comment ( with a parenthesis
  (0 5 0 2) (0 30 0 2)
  ( (0 40 0 1) (9 50 0 1) Normal | (0 30 0 1) (-9 50 0 1) Incomplete )
)"""


@pytest.fixture
def read(tmp_path: Path):
    def read(text: str, **options) -> Morphology:
        path = tmp_path / "cell.asc"
        path.write_text(text)
        return read_morphology(path, **options)

    return read


def test_soma_and_tree(read):
    morph = read(SOMA + TREE)
    assert morph.tags == ("soma", "axon", "axon", "axon")
    assert morph.parent.tolist() == [-1, 0, 1, 1]
    assert morph.attach.tolist() == [1.0, 0.5, 1.0, 1.0]
    assert morph.lengths[1] == pytest.approx(25.0)  # the tree keeps its own points only
    assert morph.lengths[2] == pytest.approx(
        10 + np.hypot(9, 10)
    )  # and a branch starts where its parent ends


def test_without_a_soma_every_tree_is_a_root(read):
    with pytest.warns(CajaxWarning, match="nothing joins its 2 trees to one another, as in NEURON"):
        assert read(TREE + TREE).parent.tolist() == [-1, 0, 0, -1, 3, 3]


def test_spines_markers_text_and_other_outlines_are_no_branches(read):
    plain = read(SOMA + TREE)
    noisy = TREE.replace("(0 30 0 2)", '(0 30 0 2) <(Class 4 "thin") (3 30 0 1)> (Dot (Name "m") (1 1 1 1))')
    other = '("Border" (Closed) (99 0 0 0) (0 99 0 0) (9 9 9 0))' + '((Color Blue) (5 5 0 1) "text")'
    morph = read("(Sections)\n" + other + SOMA + noisy)
    np.testing.assert_array_equal(morph.xyz, plain.xyz)
    assert morph.tags == plain.tags


def test_a_set_is_opened(read):
    assert read(f'(Set "first" {SOMA}) {TREE}').parent.tolist() == [-1, 0, 1, 1]


def test_an_outline_of_two_points_is_no_soma(read):
    with pytest.warns(CajaxWarning, match="line 1: a soma outline of 2 points is left out, as in NEURON"):
        assert read('("CellBody" (1 1 1 0) (2 2 2 0))' + TREE).tags == ("axon",) * 3


def test_outlines_that_are_no_slices_are_doubted(read):
    flat = SOMA + SOMA
    with pytest.warns(CajaxWarning, match="line 1: the outlines of this soma do not follow one another in z"):
        read(flat + TREE)
    with pytest.warns(CajaxWarning, match="an outline of this soma does not lie at one z"):
        read(SOMA + SOMA.replace("(9 0 0 0)", "(9 0 5 0)") + TREE)


def test_a_tree_that_ends_in_text_is_a_tree(read):
    assert len(read('( (Axon) (0 0 0 1) (9 0 0 1) "the end" )').parent) == 1


def test_deep_nesting_is_read(read):
    """Of a depth at which recursion fails, in forks and in sets."""
    depth = 3000
    text = "( (Axon) (0 0 0 1)"
    for k in range(depth):
        text += f" (1 {k} 0 1) ( (2 {k} 0 1) | (3 {k} 0 1)"
    morph = read('(Set "a" ' * depth + text + ")" * (depth + 1) + ")" * depth)
    assert len(morph.parent) == 2 * depth + 1


def test_radii_are_raised_on_request(read):
    text = "( (Axon) (0 0 0 0) (1 0 0 .02) (9 0 0 1))"
    assert read(text, min_radius=0.05).radius.tolist() == [0.05, 0.05, 0.5]


def test_scale(read):
    nm, um = read("( (Axon) (0 0 0 1000) (9000 0 0 1000))", scale=1e-3), read("( (Axon) (0 0 0 1) (9 0 0 1))")
    np.testing.assert_array_equal(nm.radius, um.radius)
    np.testing.assert_allclose(nm.xyz, um.xyz)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no tree and no soma outline"),
        ("; nothing\n", "holds no tree and no soma outline"),
        ("\n( (Axon) (0 0 0 1)", "line 2: '\\(' is never closed"),
        (TREE + "\n)", "line 5: '\\)' closes nothing"),
        ("( (Axon) (0 0 0 0) (1 0 0 1))", "line 1: diameter 0 must be positive"),
        ("( (Axon) (0 0 0 1)\n (1 0))", "line 2: diameter 0 must be positive"),
        ("( (Axon) (0 0 0 1)\n (1))", "line 2: .1. is no point; expected"),
        ("( (Axon) (0 0 0 1)\n (1_0 0 0 1))", "line 2: .1_0 0 0 1. is no point; expected .*plain"),
        ("( (Axon) (0 0 0 1)\n (٣ 0 0 1))", "line 2: .٣ 0 0 1. is no point"),
        ('("Soma" (0 0 0)\n (1 0 nan) (2 3 0))', "line 2: .1 0 nan. is no point"),
        ("( (Axon) (0 0 0 1)\n (1 0 nan 1))", "line 2: .1 0 nan 1. is no point"),
        ("( (Axon) (0 0 0 1)\n (1 0 1e30 1))", "line 2: x, y, z and radius must be finite and within"),
        ("( (Axon) (0 0 0 1)\n (1 0 0 -1))", "line 2: radius -0.5 must be positive"),
        ("( (Axon) (0 0 0 1)\n (1 0 0 1e-20))", "line 2: radius 5e-21 must be at least 1e-09"),
        ("( (Axon) (0 0 0 1)\n (1 0 0 1 7))", "line 2: .1 0 0 1 7. is no point"),
        ("( (Axon) (0 0 0 1) 1 0 0 1)", "line 1: '1' in this branch stands outside of a point"),
        ("( (Axon) (0 0 0 1) ((1 0 0 1))\n (2 0 0 1))", "line 2: a point after the split"),
        ("( (Axon) (0 0 0 1) ((1 0 0 1))\n ((2 0 0 1)))", "line 2: a split after the split of its branch"),
        (
            "( (Axon) (0 0 0 1) <(1 0 0 1) (9 0 0 1))",
            "line 1: a spine '<...>' of this branch is never closed",
        ),
        ("( (Axon) (0 0 0 1) > (9 0 0 1))", "line 1: a spine '<...>' of this branch has a '>' too many"),
        ("( (Axon) (0 0 0 1) (9 0 0 1))\n(0 0 0 1)", "line 2: .0 .... stands outside of every tree"),
        (
            "( (Axon) (0 0 0 1) Normal\n (1 0 0 1))",
            "line 2: a point after Normal of its branch; points come first",
        ),
        ("( (Axon) z (0 0 0 1))", "line 1: a point after z of its branch"),
        ("( (Axon) (0 0 0 1) Normal\n ((1 0 0 1)))", "line 2: a split after Normal of its branch"),
        ("( (Axon) (0 0 0 1)\n (. 0 0 1))", "line 2: .. .... is neither a point nor a property"),
        ("( (Axon) (0 0 0 1)\n (- 0 0 1))", "line 2: .- .... is neither"),
        ('("Soma" (0 0 0)\n (\ufffd3 0 0) (9 9 0) (9 0 0))', "line 2: .\ufffd3 .... is neither"),
        ('("Soma" (0 0 0) 1e998 7 0) (9 9 0) (9 0 0)', "line 1: '1e998' in this outline stands outside"),
        ('("Soma" (0 0 0) (1 0 0) (0 1 0))' * 10_001, "would take 10,001 soma outlines, at most 10,000"),
        (
            "".join(f'("Soma" ({k} 0 0) ({k}.5 0 0) ({k} 1 0))' for k in range(1001)),
            "would take 1,001 somas, at most 1,000",
        ),
        (TREE + "\nNormal", "line 5: 'Normal' stands outside all parentheses"),
        ('\n("CellBody (0 0 0 1))', "line 2: a quote is never closed"),
        ('\n("Soma" (0 0 0) (0 0 0) (0 0 0))' + TREE, "line 2: the soma outline surrounds no area"),
        ('("Soma" (0 0 0) (1 0 0) (2 0 0))', "line 1: the soma outline surrounds no area"),
        ('("Soma" (0 0 0) (0 0 3) (0 0 9))', "line 1: the soma outline surrounds no area"),
        ('("Soma" (0 0 0) (1 0 3) (2 0 1e999))', "line 1: x, y, z and radius must be finite"),
        ('("Soma" (0 0 0) (0 0 0) (0 0 0))' * 2, "line 1: the soma outline surrounds no area"),
        ("( (Axon) (0 0 0 1) (9 0 0 1)\n ( | (9 9 9 1)))", "line 2: expected a branch with points"),
        ("( (Axon) )", "line 1: expected a branch with points"),
    ],
)
def test_broken_files(read, text: str, message: str):
    with pytest.raises(MorphologyError, match=message) as error:
        read(text)
    assert "\n" not in str(error.value)
    assert "cell.asc" in str(error.value)
