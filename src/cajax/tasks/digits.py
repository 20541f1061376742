"""Handwritten digits of 8 × 8 pixels: a task for a coffee break, with data that scikit-learn ships."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from .reading import Images, Reading


@final
@dataclass(frozen=True)
class Digits(Reading):
    """Read 8 × 8 digits: 64 receptors, 64 hidden cells, 10 readouts."""

    input_weight: float = 1.75e-4
    epochs: int = 16
    rate: float = 0.06
    membrane_rate: float = 0.03

    name = "digits"
    title = "pyramidal cells learn to read handwritten digits of 8 x 8 pixels"
    side = 8

    def images(self) -> Images:
        """Return scikit-learn's 1,797 digits, always split the same way: a fifth to test, a tenth of the rest to check.

        Source: Alpaydin & Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning Repository.
        """
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        bunch: Any = load_digits()
        images, labels = (bunch.images / 16.0).astype(np.float32), bunch.target.astype(np.int32)

        def split(x: Any, y: Any, share: float) -> Any:
            return train_test_split(x, y, test_size=share, stratify=y, random_state=0)

        rest, test, rest_labels, test_labels = split(images, labels, 0.2)
        train, checks, train_labels, check_labels = split(rest, rest_labels, 0.1)
        return Images((train, train_labels), (checks, check_labels), (test, test_labels))
