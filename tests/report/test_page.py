"""The page of a run: what it says, that it needs nothing but itself, and what it says when parts are missing."""

import re

import numpy as np
import pytest

import cajax as cx
from cajax.report import material, report
from cajax.report import page as page_of
from cajax.train import History, write_json

from ..helpers import raises
from .lines import NASTY, Lines, begin, finish


def text(page):
    """The words of a page, without tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


def test_the_page_says_the_figure_and_what_it_is_to_be_compared_with(page):
    said = text(page)
    assert "91.67 % of the answers to 24 held-out trials (all lines) are right" in said
    assert "Published: none &lt; ever &amp; nowhere" in said
    assert "Three cells tell lines apart" in said
    assert "9 of 10" in said and "bits right" in said


def test_every_kind_of_picture_is_there_with_words_for_those_who_cannot_see_it(page):
    labels = re.findall(r'<svg role="img" aria-label="([^"]+)"', page)
    assert len(labels) == page.count("<svg") == page.count("<figcaption>")
    assert min(map(len, labels)) > 20 and len(set(labels)) == len(labels)
    for words in ("Confusion matrix", "Loss", "each branch coloured", "Heat map", "under attack", "by class"):
        assert any(words in label for label in labels), words
    for name in ("tuning", "trial", "morphology", "weights", "cost", "held-by", "capacity"):
        assert re.search(rf'id="{name}', page), name
    assert "could not be made" not in page


def test_the_contents_lead_to_every_section(page):
    inside = re.findall(r'<a href="#([^"]+)"', page)
    assert inside == re.findall(r'<section id="([^"]+)"', page)
    assert inside == [
        "result",
        "learning",
        "trials",
        "cells",
        "learned",
        "controls",
        "inside",
        "capacity",
        "made",
    ]


def test_the_page_is_small_and_refers_to_nothing_outside(page, run, reported):
    assert reported == run / "report.html" and reported.stat().st_size < 5e6
    assert not re.search(r"https?:|//[a-z]", re.sub(r"base64,[^\"]*", "", page))
    assert all(target.startswith(("data:", "#")) for target in re.findall(r'(?:src|href)="([^"]*)"', page))
    assert not list(run.glob(".report*"))


def test_identifiers_are_unique_and_all_that_is_referred_to_exists(page):
    names = re.findall(r'\bid="([^"]+)"', page)
    assert len(names) == len(set(names))
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', page))
    assert {a or b for a, b in used} <= set(names)


def test_words_from_outside_are_escaped(page):
    assert NASTY not in page and "&lt;script&gt;alert(" in page
    assert "<script" not in page


def test_trials_are_right_ones_where_there_are_any(page):
    said = text(page)
    for kind in ("row", "column", "diagonal"):
        assert f"To answer: {kind}. Answered {kind}, right" in said
    assert "2 of the 2 images (8.3 %) that were read wrong" in said


def test_what_was_learned_is_told_by_population_and_parameter(page):
    said = text(page)
    assert "hidden: learned change of hh.gna" in said and "All cells, drawn to one scale" in said
    assert "What hidden came to look for" in said
    assert "hidden.all.hh.gna" in said and "in all" in said
    assert "×2" in page and "×0.5" in page


def test_an_interrupted_run_says_what_is_missing(tmp_path, task):
    begin(tmp_path, task)
    page = report(tmp_path, task).read_text()
    said = text(page)
    assert "This run is not finished" in said and "it has made 30 steps" in said
    assert "accuracy 75.0 %." in said
    assert "There is no model after training (model.npz)" in said
    assert "Controls were not run" in said and "losses" not in said
    assert "Loss against training step" in page
    assert "could not be made" not in page


def test_a_run_that_has_just_begun_has_a_page(tmp_path, task):
    write_json(tmp_path / "run.json", {"task": "lines", "settings": {}})
    said = text(report(tmp_path, task).read_text())
    assert "it has made 0 steps" in said and "No stage has left a history yet" in said


def test_damaged_parts_cost_no_more_than_themselves(tmp_path, task):
    finish(tmp_path, task)
    (tmp_path / "controls.json").write_text("[{")
    (tmp_path / "capacity.json").write_text("[1, 2]")
    (tmp_path / "model.npz").write_bytes(b"PK nothing")
    (tmp_path / "stages" / "2-dim" / "history.json").write_text('{"odd": 1}')
    write_json(tmp_path / "inside.json", {"resets": [1, 2], "energy": {"atp": 3.0}})
    page = report(tmp_path, task).read_text()
    said = text(page)
    assert "controls.json is not JSON" in said and "capacity.json holds a list" in said
    assert "The model after training cannot be loaded" in said
    assert "2-dim/history.json is not the history of a fit" in said
    assert "inside.json: resets is a list of 2, not a dictionary" in said
    assert "could not be made" not in said
    assert "91.67 %" in said and "Confusion matrix" in page and "atp" in said


def test_the_task_is_built_from_the_folder(tmp_path, monkeypatch):
    begin(tmp_path, Lines())
    monkeypatch.setattr(material, "task_of", lambda folder: Lines(seed=7))
    assert material.gather(tmp_path).job == Lines(seed=7)

    def fail(folder):
        raise cx.CajaxError("made by another version")

    monkeypatch.setattr(material, "task_of", fail)
    assert "The task cannot be built again: made by another version." in text(report(tmp_path).read_text())


def test_folders_that_cannot_be_used_are_refused(tmp_path, task, monkeypatch):
    raises(lambda: report(tmp_path), "is not a run folder", "run.json")
    write_json(tmp_path / "run.json", [1])
    raises(lambda: report(tmp_path), "is not the record of a run")
    (tmp_path / "run.json").write_text("{")
    raises(lambda: report(tmp_path), "is not JSON")
    write_json(tmp_path / "run.json", {"task": "lines", "settings": {}})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    raises(lambda: report(tmp_path, task), "cannot write", "No space left")
    assert not list(tmp_path.glob("*.part")) and not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize("change", [{"point": True}, {"membranes": False}])
def test_other_versions_of_the_task_have_pages(tmp_path, change):
    task = Lines(**change)
    begin(tmp_path, task)
    assert "lines" in report(tmp_path, task).read_text()


def test_a_diverged_run_shows_how_far_it_came(tmp_path, task):
    begin(tmp_path, task)
    place = tmp_path / "stages" / "1-bright"
    bad = [float("inf"), float("nan")]
    History([1.0, 0.9, *bad], [1.0, 1.0, *bad], [3.0, *[0.1] * 3], [0.3, 0.4, *bad], [], "diverged").to_json(
        place / "history.json"
    )
    write_json(place / "checks.json", [])
    page = report(tmp_path, task).read_text()
    assert "(diverged): it has made 4 steps" in text(page) and "Loss against training step" in page
    History([*bad], [*bad], [0.1, 0.1], [*bad], [], "diverged").to_json(place / "history.json")
    assert "could not be made" not in report(tmp_path, task).read_text()


def test_long_histories_stay_small(tmp_path, task):
    begin(tmp_path, task)
    many = [1.0 + 0.5 * (k % 7) for k in range(20_000)]
    History(many, many, many, [0.5] * 20_000, [], "finished").to_json(
        tmp_path / "stages" / "1-bright" / "history.json"
    )
    assert report(tmp_path, task).stat().st_size < 3e5


@pytest.mark.parametrize(
    "fault", [TypeError, KeyError, ValueError, AttributeError, OSError, ZeroDivisionError]
)
def test_our_own_faults_are_no_sentences_in_a_page(run, task, monkeypatch, fault):
    def broken(*_):
        raise fault("a fault of the code")

    for where, name in (
        (page_of.learned, "parameter_table"),
        (page_of.dissected, "resets"),
        (material, "simulated"),
    ):
        with monkeypatch.context() as patch, pytest.raises(fault):
            patch.setattr(where, name, broken)
            report(run, task)


def test_models_of_two_networks_are_left_out(tmp_path, task):
    finish(tmp_path, task)
    cx.save(tmp_path / "before.npz", cx.Cell(cx.cylinder(20, 5)).discretize(cx.PerBranch(1)))
    assert "are of different networks" in text(report(tmp_path, task).read_text())


def test_outputs_of_another_shape_are_left_out(tmp_path, task):
    finish(tmp_path, task)
    np.savez(tmp_path / "answers.npz", **{"all lines/logits": np.zeros((24, 7))})
    assert "all lines/logits holds float64[24, 7], not numbers [24, 3]" in text(
        report(tmp_path, task).read_text()
    )


def test_what_holds_a_memory_is_drawn_by_name_where_bins_are_as_many_as_names(tmp_path, task):
    """The file has a row for every time; a square table must not be taken for the other way round."""
    finish(tmp_path, task)
    held = {"times": [1.0, 2.0], "names": ["leak", "sodium"], "separation": [[0.0, 3.0], [0.0, 1.0]]}
    write_json(tmp_path / "inside.json", {"held_by": held})
    assert "The strongest on average: sodium." in text(report(tmp_path, task).read_text())


def test_names_with_dollar_signs_are_no_formulas(tmp_path, task):
    finish(tmp_path, task)
    write_json(tmp_path / "inside.json", {"resets": {"intact": 0.9, "$x^$ costs 5$": 0.4}})
    assert "$x^$ costs 5$" in text(report(tmp_path, task).read_text())
