"""Neurolucida files: parity is in tests/parity; here the grammar and every error."""

from pathlib import Path

import numpy as np
import pytest

from cajax.base.errors import MorphologyError
from cajax.morph import Morphology, read_morphology

SOMA = '("CellBody" (Color Red) (CellBody) (9 0 0 0) (0 9 0 0) (-9 0 0 0) (0 -9 0 0))'
TREE = """( (Color RGB (1, 2, 3)) (Axon) ; a comment ( with a parenthesis
  (0 5 0 2) (0 30 0 2)
  ( (0 40 0 1) (9 50 0 1) Normal | (0 30 0 1) (-9 50 0 1) Incomplete )
)"""


@pytest.fixture
def read(tmp_path: Path):
    def read(text: str) -> Morphology:
        path = tmp_path / "cell.asc"
        path.write_text(text)
        return read_morphology(path)

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
    assert read('("CellBody" (1 1 1 0) (2 2 2 0))' + TREE).tags == ("axon",) * 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no tree and no soma outline"),
        ("; nothing\n", "holds no tree and no soma outline"),
        ("\n( (Axon) (0 0 0 1)", "line 2: '\\(' is never closed"),
        (TREE + "\n)", "line 5: '\\)' closes nothing"),
        ("( (Axon) (0 0 0 0) (1 0 0 1))", "line 1: diameter 0 must be positive"),
        ("( (Axon) (0 0 0 1)\n (1 0))", "line 2: diameter 0 must be positive"),
        ("( (Axon) (0 0 0 1)\n (1))", "line 2: a point needs at least x and y"),
        ("( (Axon) (0 0 0 1) (9 0 0 1)\n ( | (9 9 9 1)))", "line 2: expected a branch with points"),
        ("( (Axon) )", "line 1: expected a branch with points"),
    ],
)
def test_broken_files(read, text: str, message: str):
    with pytest.raises(MorphologyError, match=message) as error:
        read(text)
    assert "\n" not in str(error.value)
    assert "cell.asc" in str(error.value)
