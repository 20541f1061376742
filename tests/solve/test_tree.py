import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from random_forests import cases

from cajax.base.errors import MorphologyError
from cajax.solve import Tree, as_forest, cv_slices, edge_slices, n_edges, n_entries

FORK = Tree(np.array([-1, 0, 1, 1]), np.array([0, -1, 1, 2]), 2)


def test_counts_and_layout():
    forest = as_forest([FORK, Tree(np.array([-1, 0]), np.array([1, 0]))])
    assert (FORK.n_nodes, FORK.n_cv) == (4, 3)
    assert (n_entries(forest), n_edges(forest)) == (8, 10)
    assert cv_slices(forest) == (slice(0, 6), slice(6, 8))
    assert edge_slices(forest) == (slice(0, 8), slice(8, 10))
    assert as_forest(FORK) == (FORK,)


def test_tables_are_read_only_copies():
    parent = np.array([-1, 0])
    tree = Tree(parent, np.array([0, 1]))
    parent[1] = -1
    assert tree.parent.tolist() == [-1, 0]
    with pytest.raises(ValueError, match="read-only"):
        tree.parent[0] = 0


@given(cases())
def test_equality_is_by_content_and_survives_pickle(case):
    for tree in case.forest:
        again = pickle.loads(pickle.dumps(tree))
        assert again == tree and hash(again) == hash(tree)
        assert again.parent.dtype == np.int32 and not again.parent.flags.writeable
        assert Tree(tree.parent, tree.cv, tree.lanes + 1) != tree


def test_is_static_data_of_jit():
    traces = []

    def double(tree, x):
        traces.append(tree)
        return 2 * x

    jitted = jax.jit(double, static_argnums=0)
    for _ in range(2):
        jitted(Tree(np.array([-1, 0]), np.array([0, 1])), jnp.ones(2))
    assert len(traces) == 1


@pytest.mark.parametrize(
    ("parent", "cv", "lanes", "words"),
    [
        ([], [], 1, "flat list of whole numbers"),
        ([[-1]], [[0]], 1, "flat list of whole numbers"),
        ([-1.0], [0], 1, "flat list of whole numbers"),
        ([-1, 0], [0], 1, "2 parents but 1 cv"),
        ([-1, 1], [0, 1], 1, r"parent\[1\] is 1"),
        ([-1, -2], [0, 1], 1, r"parent\[1\] is -2"),
        ([-1, 2, 0], [0, 1, 2], 1, "number parents before children"),
        ([-1, 0], [0, 0], 1, "once each"),
        ([-1, 0, 1], [0, -1, 2], 1, "once each"),
        ([-1], [-1], 1, "once each"),
        ([-1, 0, 1, 2], [0, -1, -1, 1], 1, "nodes 1 and 2 are adjoining junctions"),
        ([-1, -1], [0, -1], 1, "junction 1 touches nothing"),
        ([-1], [0], 0, "lanes is 0"),
        ([-1], [0], 1.5, "lanes is 1.5"),
    ],
)
def test_ill_tables_raise_one_line(parent, cv, lanes, words):
    with pytest.raises(MorphologyError, match=words) as caught:
        Tree(np.array(parent), np.array(cv), lanes)
    assert "\n" not in str(caught.value)


def test_ill_forests_raise():
    with pytest.raises(MorphologyError, match="empty"):
        as_forest([])
    with pytest.raises(MorphologyError, match="int is no Tree"):
        as_forest([3])
