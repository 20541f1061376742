"""Input to a ganglion cell of the retina: images of noise, and what bipolar cells make of them."""

import numpy as np

from ..base.types import Float, Int
from ..morph import CVs

ROWS, COLUMNS, PIXEL = 15, 20, 40.0
"""The published stimulus: pixels of 40 µm, each light or dark at random in every frame."""
CENTRE, SURROUND, SHARE = 30.0, 90.0, 0.8
"""Widths (µm) of the centre and of the surround of a bipolar cell's field, and the surround's share; round figures."""


def noise_images(rng: np.random.Generator, count: int) -> Float[np.ndarray, "image row column"]:
    """Return images of independent pixels, each −1 or 1."""
    return rng.integers(2, size=(count, ROWS, COLUMNS)).astype(np.float32) * 2.0 - 1.0


def contacts(rng: np.random.Generator, cvs: CVs, count: int) -> Int[np.ndarray, " bipolar"]:
    """Return the control volume of a dendrite that each of `count` bipolar cells contacts, drawn by length."""
    share = np.where(cvs.tag == "soma", 0.0, cvs.length)
    return rng.choice(len(cvs), size=count, p=share / share.sum())


def fields(cvs: CVs, where: Int[np.ndarray, " bipolar"]) -> Float[np.ndarray, "bipolar pixel"]:
    """Return the receptive fields of bipolar cells that lie above control volumes `where`.

    A difference of Gaussians around the contact, seen from above, on images whose middle is the soma; its response to
    noise has a standard deviation of 1.
    """
    y, x = np.indices((ROWS, COLUMNS)).reshape(2, -1)
    pixels = PIXEL * np.stack([x - (COLUMNS - 1) / 2, y - (ROWS - 1) / 2], axis=1)
    apart = np.linalg.norm((cvs.xyz[where] - cvs.xyz[0])[:, None, :2] - pixels, axis=2)
    centre, surround = (np.exp(-0.5 * (apart / width) ** 2) for width in (CENTRE, SURROUND))
    field = centre / centre.sum(1, keepdims=True) - SHARE * surround / surround.sum(1, keepdims=True)
    return field / np.linalg.norm(field, axis=1, keepdims=True)


def responses(
    images: Float[np.ndarray, "image row column"], fields: Float[np.ndarray, "bipolar pixel"]
) -> Float[np.ndarray, "image bipolar"]:
    """Return how every bipolar cell responds to every image."""
    return (images.reshape(len(images), -1) @ fields.T).astype(np.float32)
