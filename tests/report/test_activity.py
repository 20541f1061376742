"""Trials simulated again: right ones of every kind, with every population's voltages and spikes."""

from dataclasses import dataclass

import numpy as np
import pytest

from cajax.jobs import Judged
from cajax.plot import theme
from cajax.report.activity import Activity, _chosen, judged_of, simulated
from cajax.report.trials import telling_cells, tuning
from cajax.tasks import Match

from .lines import Lines, trained


class Bits(Lines):
    """Two bits for an answer."""

    classes = ("0", "1")


@pytest.fixture(scope="module")
def activity(run, task):
    stage, batch = task.tests()["all lines"]
    answers = judged_of(run, "all lines", batch, task)
    return simulated(task, trained(task)[1], stage, batch, answers)


def test_answers_come_from_the_kept_logits(run, task, tmp_path):
    batch = task.tests()["all lines"][1]
    answers = judged_of(run, "all lines", batch, task)
    assert answers.kinds == task.classes
    assert answers.good.sum() == 22 and not answers.good[-2:].any()
    assert answers.given[-1] == "row"
    assert judged_of(tmp_path, "all lines", batch, task).good.all()  # none kept
    assert judged_of(run, "another test", batch, task).good.all()


def test_answers_of_several_bits_are_one_kind_each(tmp_path, task):
    batch = task.tests()["all lines"][1]._replace(targets=np.array([[1, 1], [0, 1], [1, 1]]))
    answers = judged_of(tmp_path, "x", batch, Bits())
    assert answers.kinds == ("01", "1") and answers.kind.tolist() == [1, 0, 1]
    assert answers.given[0] == "2 of 2 right"


def test_what_is_remembered_makes_kinds_of_its_own(tmp_path):
    task = Match(tested=8)
    answers = judged_of(tmp_path, "x", next(iter(task.tests().values()))[1], task)
    assert answers.kinds == ("1: different", "1: same", "2: different", "2: same")
    assert answers.kind.tolist() == [1, 0, 2, 3] * 2  # the pairs of stimuli in turn
    assert answers.asked == "sample: to answer"


def test_every_population_is_recorded_for_right_trials_of_every_kind(activity, task):
    assert list(activity.voltages) == ["pixels", "hidden", "lines"]
    assert {name: v.shape[1:] for name, v in activity.voltages.items()} == {
        "pixels": (101, 16), "hidden": (101, 3), "lines": (101, 3)
    }  # fmt: skip
    assert [kind for _, kind in activity.shown] == list(task.classes)
    assert all(activity.right[trial] for trial, _ in activity.shown)
    assert set(np.bincount(activity.kind)) == {8}
    assert activity.phases[0] == {"image": (0.0, 8.0), "answer": (8.0, 10.0)}


def test_the_voltages_are_those_of_the_trial(activity, task):
    stage, batch = task.tests()["all lines"]
    alone = task.run(
        trained(task)[1], {"image": batch.inputs["image"][activity.which[5]]}, stage, {"v": "hidden"}
    )
    np.testing.assert_allclose(activity.voltages["hidden"][5], alone["v"], atol=1e-9)


def made_up(voltages, kind):
    """Activity of one population "x" [trial, time, cell] at 1 ms steps."""
    answers = Judged(
        ("a", "b"), np.array(kind), np.ones(len(kind), bool), ("a",) * len(kind), ("a",) * len(kind)
    )
    ts = np.arange(voltages.shape[1], dtype=float)
    return Activity(ts, {"x": voltages}, np.arange(len(kind)), ({},) * len(kind), answers)


def test_spikes_are_upward_crossings():
    v = np.full((2, 6, 2), -70.0)
    v[0, 2:4, 1] = 10.0
    v[0, 5, 1] = -20.0
    activity = made_up(v, [0, 1])
    assert [t.tolist() for t in activity.spike_times("x", 0)] == [[], [2.0, 5.0]]
    assert not activity.spikes("x")[1].any()


def test_cells_that_differ_between_kinds_tell_most():
    v = np.full((2, 300, 3), -70.0)
    v[1, :, 2] = -60.0
    v[1, :, 0] = -68.0
    activity = made_up(v, [0, 1])
    assert telling_cells(activity, "x", 2).tolist() == [2, 0]
    with theme():
        (picture,) = tuning(activity)
    assert "voltage" in picture.caption


def test_as_many_trials_of_each_kind_as_memory_allows():
    answers = Judged(("a", "b"), np.arange(40) % 2, np.arange(40) > 5, ("a",) * 40, ("a",) * 40)
    assert _chosen(answers, 1000).tolist() == [*range(6, 22, 2), *range(7, 23, 2)]  # right ones first
    assert _chosen(answers, 5).tolist() == [6, 8, 7, 9]
    assert _chosen(answers, 1).tolist() == [6]


def test_a_lone_cell_has_activity_too():
    import cajax as cx
    from cajax.mech import HH

    @dataclass(frozen=True)
    class Alone(Lines):
        def run(self, model, inputs, stage, record):
            clamp = cx.IClamp("soma", delay=0.0, dur=5.0, amp=inputs["image"].sum())
            return cx.simulate(model, 5.0, 0.1, [clamp], record=record)

    model = cx.Cell(cx.ball_and_stick()).paint("all", hh=HH()).discretize(cx.PerBranch(1))
    task = Alone()
    stage, batch = task.tests()["all lines"]
    answers = Judged(("a",), np.zeros(24, int), np.ones(24, bool), ("a",) * 24, ("a",) * 24)
    found = simulated(task, model, stage, batch, answers)
    assert found.voltages["cell"].shape == (8, 51, 1) and found.voltages["cell"].max() > 0
