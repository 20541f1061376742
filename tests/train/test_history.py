import json

import jax.numpy as jnp
import numpy as np
import pytest

from cajax.base.errors import StoreError
from cajax.train import History


def filled() -> History:
    history = History()
    history.add(0.1 + 0.2, 1.5, 0.25, {"hits": np.arange(2), "pair": (jnp.asarray(0.5), True)}, ["a", "b"])
    history.add(1e-300, 2.5, 0.125, {"hits": np.arange(2), "pair": (1.0, False)}, ["b", "c"])
    return history


def test_json_gives_back_the_same_numbers():
    history = filled()
    assert History.from_json(history.to_json()) == history
    assert history.aux[0] == {"hits": [0, 1], "pair": [0.5, True]}
    assert history.steps == 2


def test_a_parameter_is_cut_only_if_its_gradient_was_zero_at_every_step():
    assert filled().cut == ["b"]


def test_it_is_written_where_asked(tmp_path):
    text = filled().to_json(tmp_path / "history.json")
    assert json.loads((tmp_path / "history.json").read_text()) == json.loads(text)


@pytest.mark.parametrize("text", ["{", '{"loses": []}', "[]"])
def test_other_text_is_refused(text):
    with pytest.raises(StoreError, match="not the history of a fit"):
        History.from_json(text)
