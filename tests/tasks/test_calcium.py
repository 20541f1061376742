"""The calcium-imaging task: what the cell sees, what is imaged of it, the score, training, the page."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cajax import CajaxError, jobs
from cajax.report import report
from cajax.tasks import Calcium
from cajax.tasks.calcium import DECAY, RISE
from cajax.tasks.imaged import Correlation, correlations
from cajax.tasks.retina import COLUMNS, PIXEL, ROWS, contacts, fields, noise_images, responses

from .small_cell import small_cell


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The task on a cell of few branches, with few synapses and images."""
    return Calcium(
        morphology=small_cell(tmp_path_factory.mktemp("cells")), bipolars=20, regions=5, images=8, checked=4, tested=6,
        batch=4, dt=0.2, cut=100.0, frames=2, weight=1e-3, steps=3,
    )  # fmt: skip


def test_the_built_in_cell_is_the_published_size():
    task = Calcium()
    model = task.network()
    assert task.free().count(model) == 287 + 2 * 155 + 10 == 607
    assert len(task.setup.rois) == 147 and len(task.setup.shape.parent) == 155
    assert task.but(membranes=False).free().count(model) == 287
    flat = np.ptp(task.setup.shape.xyz, axis=0)
    assert flat[2] < 0.2 * min(flat[:2])


def test_bipolar_cells_see_what_lies_above_their_contacts(small):
    cvs = small.setup.model.structure.layout("ganglion").groups[0].cvs
    where = contacts(np.random.default_rng(0), cvs, 200)
    assert (cvs.tag[where] != "soma").all()
    field = fields(cvs, where)
    x, y = ((cvs.xyz[where] - cvs.xyz[0])[:, k] for k in (0, 1))
    brightest = field.argmax(axis=1)
    assert (np.abs((brightest % COLUMNS - (COLUMNS - 1) / 2) * PIXEL - x) <= PIXEL / 2 + 1e-6).all()
    assert (np.abs((brightest // COLUMNS - (ROWS - 1) / 2) * PIXEL - y) <= PIXEL / 2 + 1e-6).all()
    seen = responses(noise_images(np.random.default_rng(1), 2000), field)
    np.testing.assert_allclose(seen.std(axis=0), 1.0, atol=0.1)


def test_correlations_are_pearson_s_over_trials_of_the_mean_over_frames():
    gen = np.random.default_rng(0)
    a, b = gen.normal(size=(2, 9, 3, 4))
    b[:, :, 1] = 7.0  # a region that does not vary
    found = np.asarray(correlations(a, b, 3))
    for roi in (0, 2, 3):
        expected = np.corrcoef(a[:, :, roi].mean(1), b[:, :, roi].mean(1))[0, 1]
        np.testing.assert_allclose(found[roi], expected, rtol=1e-9)
    assert found[1] == 0.0
    score = Correlation(3)
    figures = score.figures(a, b)
    np.testing.assert_allclose(figures["correlation"], found.mean())
    np.testing.assert_allclose(score.measure(score.cases(a), score.cases(b)), found.mean())
    assert figures["share of positive correlations"] == np.mean(found > 0)
    gradient = jax.grad(lambda x: score.measure(x, b))(jnp.asarray(a))
    assert np.isfinite(gradient).all()


def test_fluorescence_is_the_calcium_through_the_kernel(small):
    stage, batch = small.checks()
    model, inputs = small.truth(), {"bipolars": batch.inputs["bipolars"][0]}
    solution = small.run(model, inputs, stage, small.readout)
    calcium = 1e3 * np.asarray(solution["ca"]).reshape(-1, 5)
    shown = np.asarray(small.read(solution, inputs, stage))
    ms = np.arange(len(calcium)) * 1.0
    kernel = (np.exp(-ms / DECAY) - np.exp(-ms / RISE)) / (DECAY - RISE)
    above = calcium - calcium[0]
    direct = calcium[0] + np.stack([np.convolve(kernel, c)[: len(c)] for c in above.T], axis=1)
    assert above.max() > 0.05
    np.testing.assert_allclose(shown, direct[[100, 200]], atol=0.03 * above.max())
    rise = 1 - np.exp(-5.0 / RISE)
    np.testing.assert_allclose(rise, 0.5)


def test_the_recording_is_that_of_the_true_cell_and_noise(small):
    stage, batch = small.tests()["held-out images"]
    clean = np.asarray(small.answer(small.truth(), batch.inputs, stage))
    quiet = small.but(noise=0.0).tests()["held-out images"][1]
    np.testing.assert_allclose(clean, quiet.targets, rtol=1e-6)
    marks = small.marks(clean, batch, stage)
    np.testing.assert_allclose(
        marks["correlation without noise"], correlations(clean, batch.targets, 2).mean(), rtol=1e-4
    )
    assert 0.5 < marks["correlation without noise"] < 1.0


def test_every_image_is_seen_once_before_one_comes_again_and_none_is_tested(small):
    stage = small.stages()[0]
    epoch = np.concatenate([small.trials(stage, k).inputs["bipolars"] for k in (2, 3)])
    assert len(np.unique(epoch, axis=0)) == 8
    np.testing.assert_array_equal(small.trials(stage, 3).targets, small.trials(stage, 3).targets)
    held = np.concatenate(
        [small.checks()[1].inputs["bipolars"], small.tests()["held-out images"][1].inputs["bipolars"]]
    )
    assert not (epoch[:, None] == held[None]).all(axis=2).any()


def test_a_cut_changes_the_gradient_and_not_the_loss(small):
    model, free, stage = small.network(), small.free(), small.stages()[0]
    batch, theta = small.trials(stage, 0), small.free().init(small.network())

    def both(task):
        return jax.jit(jax.value_and_grad(lambda t: task.loss(free.apply(model, t), batch, stage)[0]))(theta)

    (whole, g), (cut, h) = both(small.but(cut=200.0)), both(small)
    assert whole == cut
    for path, x in g.items():
        assert np.isfinite(x).all() and np.abs(x).max() > 0 and np.isfinite(h[path]).all(), path
    away = sum(np.square(g[p] - h[p]).sum() for p in g) / sum(np.square(x).sum() for x in g.values())
    assert away > 1e-4
    gen = np.random.default_rng(0)
    way = {path: gen.normal(size=np.shape(x)) for path, x in theta.items()}
    loss = jax.jit(lambda t: small.loss(free.apply(model, t), batch, stage)[0])
    ends = [loss({p: theta[p] + e * way[p] for p in theta}) for e in (-1e-6, 1e-6)]
    along = sum(jnp.vdot(g[p], way[p]) for p in theta)
    np.testing.assert_allclose((ends[1] - ends[0]) / 2e-6, along, rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dt": 0.3}, "does not go into"),
        ({"cut": 33.33}, "cut"),
        ({"frames": 0}, "does not go into"),
        ({"bipolars": 0}, "at least one"),
        ({"tested": 1}, "two images"),
        ({"morphology": "no/such/cell.swc"}, "cell.swc"),
    ],
    ids=str,
)
def test_wrong_settings_are_told_in_one_line(changes, said):
    with pytest.raises(CajaxError, match=said) as caught:
        Calcium(**changes).network()
    assert "\n" not in str(caught.value)


def test_a_run_is_tested_controlled_looked_into_and_has_a_page(small, tmp_path):
    done = jobs.run(small, tmp_path)
    metrics = json.loads((done / "metrics.json").read_text())
    test = metrics["tests"]["held-out images"]
    assert -1.0 <= test["least correlation"] <= test["correlation"] <= test["greatest correlation"] <= 1.0
    controls = json.loads((done / "controls.json").read_text())
    assert [entry["name"] for entry in controls] == ["linear", "MLP"]
    assert json.loads((done / "inside.json").read_text())["recovered"].keys() == small.free().globs.keys()
    said = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", report(done).read_text()))
    assert "on average over regions of interest" in said and "Parameters along the cell" in said
    assert "could not be made" not in said and "missing" not in said
    assert "cajax train calcium --resume" in small.again(done)
