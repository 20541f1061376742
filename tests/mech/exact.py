"""Closed forms that several tests compare with."""

import numpy as np


def exponential(q: np.ndarray, t: float) -> np.ndarray:
    """exp(q t) by scaling and squaring of a Taylor series."""
    halvings = max(0, int(np.ceil(np.log2(np.abs(q * t).sum(0).max() + 1e-300))) + 4)
    a = q * t / 2.0**halvings
    total = term = np.eye(len(q))
    for k in range(1, 16):
        term = term @ a / k
        total = total + term
    for _ in range(halvings):
        total = total @ total
    return total
