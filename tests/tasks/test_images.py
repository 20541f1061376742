"""Minibatches and distortions: a function of the step alone, gentle, and exact where nothing is distorted."""

import numpy as np

from cajax.tasks.images import Distortion, minibatches

RNG = np.random.default_rng(0)
IMAGES = RNG.random((10, 8, 8)).astype(np.float32)
LABELS = np.arange(10)


def test_no_distortion_is_the_identity():
    still = Distortion(rotation=0.0, scaling=0.0, shift=0.0, noise=0.0)
    np.testing.assert_allclose(still(IMAGES, RNG), IMAGES, atol=1e-6)


def test_a_quarter_turn_is_the_rotated_image():
    class Fixed:
        def __init__(self):
            self.calls = iter([np.full(10, np.pi / 2), np.zeros(10), np.zeros((10, 2)), np.zeros((10, 8, 8))])

        def normal(self, *_):
            return next(self.calls)

    turned = Distortion()(IMAGES, Fixed())
    same = [np.abs(turned - np.rot90(IMAGES, k, axes=(1, 2))).max() for k in (1, 3)]
    assert min(same) < 1e-5


def test_distortions_stay_in_range_and_differ():
    out = Distortion()(IMAGES, np.random.default_rng(1))
    assert out.min() >= 0 and out.max() <= 1 and out.dtype == IMAGES.dtype
    assert np.abs(out - IMAGES).max() > 0.01


def test_a_batch_depends_on_seed_and_step_only():
    one, two = (minibatches(IMAGES, LABELS, 4, seed, Distortion()) for seed in (0, 1))
    again = minibatches(IMAGES, LABELS, 4, 0, Distortion())
    for step in (5, 0, 3):
        np.testing.assert_array_equal(one(step)[0], again(step)[0])
    assert not np.array_equal(one(0)[0], two(0)[0])


def test_an_epoch_sees_an_image_at_most_once():
    batch = minibatches(IMAGES, LABELS, 4, 0)
    seen = np.concatenate([batch(step)[1] for step in (2, 3)])
    assert len(set(seen)) == len(seen) == 8
