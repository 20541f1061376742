"""The controls: they learn what they can, have the size they should, and are trained as long."""

import json
import signal

import jax
import numpy as np
import pytest

from cajax.jobs import learn as job
from cajax.jobs.controls import GRU, MLP, Linear, controls, matched
from cajax.tasks.task import Batch, Stage

from ..tasks.tiny import Tiny


@pytest.mark.parametrize("kind", [MLP, GRU])
@pytest.mark.parametrize("parameters", [60, 1000, 50_000])
def test_the_size_matches(kind, parameters):
    net = matched(kind, 5, 3, 2, parameters, seed=0)
    size = sum(x.size for x in net.params.values())
    assert abs(size - parameters) <= max(30, 0.05 * parameters)
    assert net(np.ones((5, 3), np.float32)).shape == (2,)


def test_a_linear_control_has_its_own_size():
    net = matched(Linear, 5, 3, 2, 10**6, seed=0)
    assert {name: x.shape for name, x in net.params.items()} == {"w": (15, 2), "b": (2,)}
    np.testing.assert_allclose(net(np.zeros((5, 3))), 0.0)


def test_a_gru_forgets_and_keeps():
    """Closed: h stays; open: h becomes tanh of the input."""
    net = matched(GRU, 4, 1, 1, 20, seed=0)
    zero = {name: np.zeros(x.shape) for name, x in net.params.items()}
    width = zero["b_new"].shape[0]
    take = zero | {"w_new": np.ones(zero["w_new"].shape), "w_out": np.ones((width, 1))}
    take["b"] = np.repeat([-50.0, -50.0], width)  # neither reset nor keep
    x = np.array([[0.3], [0.1], [0.2], [0.7]])
    np.testing.assert_allclose(net.replace(take)(x), width * np.tanh(0.7), rtol=1e-6)
    keep = take | {"b": np.repeat([-50.0, 50.0], width)}
    np.testing.assert_allclose(net.replace(keep)(x), 0.0, atol=1e-12)


class Seen(Tiny):
    """A task that a linear map solves, and one stage long enough for it."""

    def stages(self):
        return (Stage("light", 4, 2.0),)


class Told(Seen):
    """The same with a signal in time."""

    def signal(self, inputs, stage):
        return np.repeat(np.asarray(inputs["light"])[:, None], 6, axis=1)


@pytest.mark.parametrize("kind, names", [(Seen, ["linear", "MLP"]), (Told, ["linear", "GRU"])])
def test_controls_are_trained_once_and_kept(tmp_path, kind, names):
    task, said = kind(), []
    before = task.network()
    learned = job.Learned(before, before, (200,), 1.0)
    found = controls(task, learned, tmp_path, said.append, all_of_them=False)
    assert [entry["name"] for entry in found] == names
    for entry in found:
        assert entry["steps"] == 200 and entry["tests"]["light"] > 0.9, entry
    assert json.loads((tmp_path / "controls.json").read_text()) == found
    said.clear()
    assert controls(task, learned, tmp_path, said.append, all_of_them=False) == found and not said


class Stopped(Seen):
    """Its user presses Ctrl-C at a step of the first control."""

    def trials(self, stage, step):
        if step == 20:
            signal.raise_signal(signal.SIGINT)
        return super().trials(stage, step)


def test_an_interrupted_control_does_not_count(tmp_path):
    task = Stopped()
    before = task.network()
    with pytest.raises(job.Interrupted, match="control"):
        controls(task, job.Learned(before, before, (200,), 1.0), tmp_path, lambda text: None, False)
    assert not (tmp_path / "controls.json").exists()


def test_controls_of_neurons_go_through_the_same_stages(tmp_path):
    task = Seen()
    learned = job.learn(task, tmp_path, lambda text: None)
    found = {entry["name"]: entry for entry in controls(task, learned, tmp_path, lambda text: None)}
    assert {"point neurons", "untrained membranes"} < found.keys()
    assert found["point neurons"]["steps"] == found["untrained membranes"]["steps"] == 4
    weights = 8
    assert found["untrained membranes"]["parameters"] == weights < task.free().count(learned.before)
    _, batch = task.checks()
    assert isinstance(batch, Batch) and jax.tree.leaves(batch)
