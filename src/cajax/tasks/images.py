"""Small images for training: minibatches that depend on the step alone, and gentle random distortions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np


@final
@dataclass(frozen=True)
class Distortion:
    """Standard deviations of a random rotation (radians), scaling (log), shift (pixels) and pixel noise."""

    rotation: float = 0.08
    scaling: float = 0.04
    shift: float = 0.25
    noise: float = 0.03

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return distorted copies of `images` [image, row, column] with values in 0..1, by bilinear interpolation."""
        n, side, _ = images.shape
        angle, log_scale = rng.normal(0, self.rotation, n), rng.normal(0, self.scaling, n)
        shift = rng.normal(0, self.shift, (n, 2))
        cos, sin = (np.exp(log_scale) * f(angle) for f in (np.cos, np.sin))
        middle = (side - 1) / 2
        grid = np.stack(np.meshgrid(*[np.arange(side) - middle] * 2, indexing="ij"))
        turn = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
        where = np.einsum("nij,jrc->nirc", turn, grid) + middle + shift[:, :, None, None]
        margin = 2
        padded = np.pad(images, ((0, 0), (margin, margin), (margin, margin)))
        where = np.clip(where + margin, 0, side + 2 * margin - 1 - 1e-3)
        corner = where.astype(int)
        (fy, fx), (y, x) = np.moveaxis(where - corner, 1, 0), np.moveaxis(corner, 1, 0)
        k = np.arange(n)[:, None, None]
        top = (1 - fx) * padded[k, y, x] + fx * padded[k, y, x + 1]
        bottom = (1 - fx) * padded[k, y + 1, x] + fx * padded[k, y + 1, x + 1]
        out = (1 - fy) * top + fy * bottom + rng.normal(0, self.noise, images.shape)
        return np.clip(out, 0, 1).astype(images.dtype)


def minibatches(
    images: np.ndarray, labels: np.ndarray, size: int, seed: int, distortion: Distortion | None = None
) -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
    """Return `batch(step) -> (images, labels)`: every epoch visits the images in a new order, the rest is dropped.

    What a step gets depends on `seed` and the step only, so an interrupted training goes on exactly.
    """
    per_epoch = len(images) // size

    def batch(step: int) -> tuple[np.ndarray, np.ndarray]:
        epoch, k = divmod(step, per_epoch)
        order = np.random.default_rng((seed, epoch)).permutation(len(images))
        chosen = order[k * size : (k + 1) * size]
        x = images[chosen]
        if distortion is not None:
            x = distortion(x, np.random.default_rng((seed, epoch, k)))
        return x, labels[chosen]

    return batch
