"""Scores: figures and how they are written, classes, traces, and the defaults of a score of three methods."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.base.disk import plain
from cajax.jobs import Classified, Figure, Traces

from ..helpers import raises

LOGITS = np.array([[2.0, 0.0, 1.0], [0.0, 1.0, 3.0], [0.0, 2.0, 1.0], [1.0, 0.0, 0.5]])
LABELS = np.array([0, 2, 1, 2])


def test_figures_are_written_with_their_unit():
    share, error, loss = Figure("accuracy", "%", True), Figure("error", "mV"), Figure("loss")
    assert share.text(0.98056, 2) == "98.06 %" and share.text(0.5) == "50.0 %"
    assert error.text(0.42345) == "0.423 mV" and error.text(0.42356, 2) == "0.4236 mV"
    assert loss.text(1.5e-7) == "1.5e-07"
    assert [error.text(x) for x in (None, float("nan"), True, "3")] == ["–"] * 4
    assert (share.label, loss.label) == ("accuracy (%)", "loss")


def test_the_best_is_the_most_or_the_least_and_never_nan():
    values = [float("nan"), 0.5, 0.2, 0.5]
    assert Figure("a", more_is_better=True).best(values) == 1
    assert Figure("a").best(values) == 2
    assert Figure("a").best([float("nan")] * 2) == 0


def test_a_figure_comes_back_from_a_file():
    figure = Classified(("a", "b")).headline
    assert Figure.read(json.loads(json.dumps(dataclasses.asdict(figure)))) == figure and figure.chance == 0.5
    assert Figure.read({"name": "x", "later": 1}) == Figure("x")
    for bad in (None, 3, {}, {"name": 3}, {"name": "x", "unit": 3}, {"name": "x", "chance": "y"}):
        assert Figure.read(bad) is None


def test_classes_are_told_apart():
    score = Classified(("a", "b", "c"))
    figures = score.figures(LOGITS, LABELS)
    assert figures["accuracy"] == 0.75 == float(score.measure(jnp.asarray(LOGITS), LABELS))
    assert figures["loss"] == pytest.approx(float(score.loss(jnp.asarray(LOGITS), LABELS)), rel=1e-6)
    assert figures["confusion"].tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 1]]
    judged = score.judged(LOGITS, LABELS)
    assert judged.kinds == ("a", "b", "c") and judged.kind.tolist() == [0, 2, 1, 2]
    assert judged.good.tolist() == [True, True, True, False] and judged.said[3] == "Answered a, wrong"
    assert score.readout(LABELS).size == 3 and score.cases(np.zeros((4, 2), int)).shape == (8,)


def test_traces_are_compared_where_there_are_data():
    data = np.array([[0.0, 1.0, np.nan], [2.0, 2.0, 2.0]])
    model = jnp.asarray([[1.0, 1.0, 50.0], [2.0, 0.0, 2.0]])
    score = Traces(scale=2.0)
    assert float(score.measure(model, data)) == pytest.approx(1.0)  # (1 + 4) / 5
    assert float(score.loss(model, data)) == pytest.approx(0.25)
    gradient = jax.grad(score.loss)(model, data)
    np.testing.assert_allclose(gradient, [[0.1, 0, 0], [0, -0.2, 0]], rtol=1e-6)
    figures = score.figures(np.asarray(model), data)
    assert figures["error"] == pytest.approx(1.0) and figures["loss"] == pytest.approx(0.25)
    assert figures["error of the worst trial (mV)"] == pytest.approx((4 / 3) ** 0.5)
    assert [one["trial"] for one in figures["traces"]] == [0, 1]
    json.dumps(plain(figures))
    raises(lambda: score.loss(model[:, :2], data), "(2, 2)", "(2, 3)", kind=cx.CajaxError)
    raises(lambda: Traces(scale=0.0), "above 0", kind=cx.CajaxError)


def test_long_traces_are_kept_short():
    data = np.zeros((20, 5001, 2))
    (first, *rest) = Traces(dt=0.1).figures(data + np.arange(20.0)[:, None, None], data)["traces"]
    assert len(rest) == 5 and len(first["data"]) <= 2000 and first["step"] == pytest.approx(0.3)
    assert (first["trial"], rest[-1]["trial"], rest[-1]["error"]) == (0, 19, 19.0)


def test_controls_give_out_traces_around_the_mean():
    data = np.array([[0.0, 2.0], [4.0, np.nan]])
    readout = Traces().readout(data)
    assert (readout.size, readout.shift) == (2, 2.0)
    np.testing.assert_allclose(readout(jnp.asarray([0.0, 1.0])), [2.0, 2.0 + readout.scale])
