"""Tasks that read images: the data, the network, what is trained and when."""

import gzip

import jax
import numpy as np
import pytest

from cajax.base.errors import StoreError
from cajax.tasks.digits import Digits
from cajax.tasks.mnist import FILES, Mnist, read_folder
from cajax.train import fit

SMALL = Digits(hidden=3, t1=4.0, window=2.0, epochs=1, batch=8)


@pytest.fixture(scope="module")
def model():
    return SMALL.network()


def test_the_digits_are_split_once_and_for_all():
    images = SMALL.images()
    sizes = [len(labels) for _, labels in images]
    assert sizes == [1293, 144, 360] and all(x.shape[1:] == (8, 8) for x, _ in images)
    for (x, _), (again, _) in zip(images, SMALL.but(seed=1).images(), strict=True):
        np.testing.assert_array_equal(x, again)
    share = np.bincount(images.test[1]) / np.bincount(np.concatenate([y for _, y in images]))
    assert np.abs(share - 0.2).max() < 0.01
    assert images.train[0].min() >= 0 and images.train[0].max() == 1


def test_the_network_is_made_of_what_it_says(model):
    assert {layout.name: layout.size for layout in model.structure.layouts} == {
        "pixels": 64, "hidden": 3, "digits": 10,
    }  # fmt: skip
    covered = {m.path: len(m.index) for m in model.structure.channels}
    assert covered["hidden.hh"] == 3 * 8  # soma and seven dendrites of three cells
    assert model.params["pixels->hidden.exc.weight"].shape == (64 * 3,)
    free, fewer = SMALL.free(), SMALL.but(membranes=False).free()
    assert free.count(model) - fewer.count(model) == 3 * 24 + 10


def test_every_cell_has_its_own_shape():
    shapes = SMALL.shapes()["hidden"]
    assert len({float(cell.lengths.sum()) for cell in shapes}) == 3
    areas = [cell.areas.sum() for cell in shapes]
    points = SMALL.but(point=True).shapes()["hidden"]
    np.testing.assert_allclose([cell.areas.sum() for cell in points], areas, rtol=1e-6)
    assert SMALL.but(point=True).network().structure.size == 64 + 3 + 10


@pytest.mark.parametrize("dendrites", [1, 2, 9])
def test_each_dendrite_looks_at_its_rows(dendrites):
    contacts = SMALL.but(dendrites=dendrites).contacts()
    times = min(dendrites, 7)
    assert len(contacts) == 64 * 3 * times == len({tuple(c) for c in contacts})
    first = contacts[:64]
    assert (np.diff(first[:, 2]) >= 0).all() and set(first[:, 2]) == set(range(7))
    assert all(len(set(first[8 * r : 8 * r + 8, 2])) == 1 for r in range(8))


def test_every_trained_parameter_has_a_gradient(model):
    free, stage = SMALL.free(), SMALL.stages()[0]
    task = SMALL.but(input_weight=1e-3)
    model, batch = task.network(), task.trials(stage, 0)
    grads = jax.jit(jax.grad(lambda t: task.loss(free.apply(model, t), batch, stage)[0]))(free.init(model))
    for path, grad in grads.items():
        assert np.isfinite(grad).all() and np.abs(grad).max() > 0, path


def test_membranes_wait_for_the_synapses(model):
    task = SMALL.but(membrane_wait=0.5)
    stage = task.stages()[0]
    theta, rule = task.free().init(model), task.optimizer(stage)
    state, half = rule.init(theta), stage.steps // 2
    for step in range(half + 3):
        change, state = rule.update(jax.tree.map(jax.numpy.ones_like, theta), state, theta)
        moved = {path for path, x in change.items() if np.any(x)}
        synapses = {path for path in theta if path.endswith(".weight")}
        if step in (0, half - 2, half + 2):
            assert moved == (synapses if step < half else set(theta))


def test_training_lowers_the_loss(model):
    stage, batch = SMALL.stages()[0], SMALL.trials(SMALL.stages()[0], 0)
    _, history = fit(
        lambda m: SMALL.loss(m, batch, stage)[0], model, SMALL.free(), SMALL.optimizer(stage), 12
    )
    assert history.losses[-1] < history.losses[0]


def write(folder, changed=()):
    """Four small files that claim to be MNIST, with some replaced."""
    for name, shape in FILES.items():
        head = np.array([0x0800 + len(shape), *shape], ">i4").tobytes()
        (folder / f"{name}.gz").write_bytes(gzip.compress(head + bytes(int(np.prod(shape))), 1))
    for name, content in changed:
        (folder / name).unlink(missing_ok=True)
        if content is not None:
            (folder / name).write_bytes(content)


def test_mnist_is_read_from_idx_files(tmp_path):
    write(tmp_path)
    raw = (tmp_path / "t10k-labels-idx1-ubyte.gz").read_bytes()
    plain = bytearray(gzip.decompress(raw))
    plain[8:11] = b"\x07\x02\x01"
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(bytes(plain))  # plain files come first
    x, y, test, answers = read_folder(tmp_path)
    assert x.shape == (60_000, 28, 28) and x.dtype == np.float32 and y.dtype == np.int32
    assert test.shape == (10_000, 28, 28) and answers[:4].tolist() == [7, 2, 1, 0]
    task = Mnist(data=str(tmp_path))
    assert [len(labels) for _, labels in task.images()] == [58_000, 2_000, 10_000]
    assert task.stages()[0].steps == task.epochs * 906


LABELS = "train-labels-idx1-ubyte.gz"
BAD = {
    "missing": ((LABELS, None), "has no train-labels"),
    "cut short": ((LABELS, gzip.compress(bytes(100))[:-6]), "damaged or cut short"),
    "no gzip": ((LABELS, b"nothing"), "damaged or cut short"),
    "other head": ((LABELS, gzip.compress(bytes(60_008))), "not the idx file"),
    "few bytes": (
        (LABELS, gzip.compress(np.array([0x801, 60_000], ">i4").tobytes() + b"123")),
        "11 bytes instead",
    ),
    "empty": ((LABELS, gzip.compress(b"")), "not the idx file"),
}


@pytest.mark.parametrize("name", BAD)
def test_damaged_data_is_named(tmp_path, name):
    change, text = BAD[name]
    write(tmp_path, [change])
    with pytest.raises(StoreError, match=text) as caught:
        read_folder(tmp_path)
    assert "\n" not in str(caught.value) and "train-labels" in str(caught.value)


def test_a_folder_that_is_not_there():
    with pytest.raises(StoreError, match="--data DIR"):
        Mnist(data="/nowhere").images()
