"""What a plain fit leaves in its run folder, and what it refuses to overwrite."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import cajax as cx
from cajax.mech import Leak
from cajax.train import DivergedError, record
from cajax.train.fitted import read_parameters

from ..helpers import raises

FREE = cx.Free({"all.leak.g": cx.each("cv", cx.positive()), "all.leak.e": cx.bounded(-90.0, -40.0)})


@pytest.fixture
def model():
    cell = cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak(g=1e-4, e=-65.0))
    return cell.discretize(cx.PerBranch(1))


def loss(model):
    return jnp.mean((model.params["all.leak.e"] + 70.0) ** 2) + jnp.sum(model.params["all.leak.g"] ** 2)


def fit(model, steps, run, loss=loss, **options):
    return cx.fit(loss, model, FREE, optax.adam(0.05), steps, run=run, progress=False, **options)


def test_record_models_and_parameters_are_left(tmp_path, model):
    fitted, history = fit(model, 3, tmp_path)
    entry = json.loads((tmp_path / "run.json").read_text())
    assert entry["kind"] == "fit" and entry["settings"]["steps"] == 3 and "later" not in entry
    assert (
        "jax" in entry["versions"] and entry["settings"]["free: all.leak.e"] == "Bounded(lo=-90.0, hi=-40.0)"
    )
    before, after = (cx.load(tmp_path / name) for name in ("before.npz", "model.npz"))
    for path, value in model.params.items():
        np.testing.assert_array_equal(before.params[path], value)
        np.testing.assert_array_equal(after.params[path], fitted.params[path])
    table = read_parameters(tmp_path)
    assert table == FREE.table(fitted, model) and table.count == 3
    assert json.loads((tmp_path / "history.json").read_text())["losses"] == history.losses


def test_a_resumed_fit_keeps_its_first_model_and_record(tmp_path, model):
    fit(model, 2, tmp_path)
    other = model.replace({"all.leak.e": -60.0})
    fitted, _ = fit(other, 5, tmp_path)
    entry = json.loads((tmp_path / "run.json").read_text())
    assert entry["settings"]["steps"] == 2 and entry["later"][0]["settings"]["steps"] == 5
    assert cx.load(tmp_path / "before.npz").params["all.leak.e"] == -65.0
    assert read_parameters(tmp_path) == FREE.table(fitted, model)
    assert fitted.params["all.leak.e"] == fit(model, 5, tmp_path / "whole")[0].params["all.leak.e"]


def test_the_seed_is_that_of_the_key(tmp_path, model):
    for seed in (7, 2**40 + 3):
        run = tmp_path / f"{seed}"
        fit(model, 1, run, lambda model, key: loss(model), key=jax.random.key(seed))
        assert json.loads((run / "run.json").read_text())["seed"] == seed


def test_a_record_of_the_users_own_stays(tmp_path, model):
    record(tmp_path, seed=3, note="mine")
    fit(model, 1, tmp_path)
    entry = json.loads((tmp_path / "run.json").read_text())
    assert entry["note"] == "mine" and entry["seed"] == 3 and "later" not in entry


def test_nothing_of_others_is_overwritten(tmp_path, model):
    (tmp_path / "model.npz").write_bytes(b"mine")
    raises(lambda: fit(model, 1, tmp_path), "holds model.npz", "choose another folder", kind=cx.CajaxError)
    assert (tmp_path / "model.npz").read_bytes() == b"mine" and not (tmp_path / "checkpoints").exists()
    job = tmp_path / "job"
    job.mkdir()
    record(job, task="digits", settings={})
    raises(lambda: fit(model, 1, job), "run folder of 'digits'", "choose another folder", kind=cx.CajaxError)
    assert [p.name for p in job.iterdir()] == ["run.json"]


def test_a_fit_that_diverges_leaves_its_last_good_model(tmp_path, model):
    def poisoned(model, step):
        return jnp.where(step == 2, jnp.nan, 1.0) * loss(model)

    with pytest.raises(DivergedError) as caught:
        fit(model, 5, tmp_path, poisoned, batches=lambda step: step)
    after = cx.load(tmp_path / "model.npz")
    assert after.params["all.leak.e"] == caught.value.model.params["all.leak.e"] != -65.0


def test_a_damaged_table_is_one_line(tmp_path, model):
    fit(model, 1, tmp_path)
    (tmp_path / "parameters.json").write_text('[{"path": 1}]')
    raises(lambda: read_parameters(tmp_path), "not a table of parameters", kind=cx.CajaxError)
