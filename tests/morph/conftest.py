"""Random morphologies, a function of an integer, for laws that hold for all of them."""

from collections.abc import Callable

import numpy as np
import pytest

from cajax.morph import Branch, Morphology


def _random_morph(seed: int) -> Morphology:
    """A forest of one to two trees with tapering branches, repeated points and branches attached anywhere."""
    rng = np.random.default_rng(seed)
    branches = []
    for b in range(int(rng.integers(1, 12))):
        n = int(rng.integers(2, 7))
        steps = rng.normal(0, 10, (n - 1, 3))
        if n > 2 and rng.random() < 0.3:
            steps[0] = 0.0
        xyz = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
        points = np.column_stack([xyz, rng.uniform(0.2, 5.0, n)])
        is_root = b == 0 or rng.random() < 0.1
        parent = -1 if is_root else int(rng.integers(b))
        attach = float(rng.choice([0.0, 0.5, 1.0, 1.0, 1.0, rng.random()]))
        branches.append(
            Branch(points, parent, attach, str(rng.choice(["soma", "basal", "apical", "custom5"])))
        )
    return Morphology.of(branches)


@pytest.fixture(scope="session")
def random_morph() -> Callable[[int], Morphology]:
    return _random_morph
