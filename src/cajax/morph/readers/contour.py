"""Somas drawn as one point, as an outline or as a stack of outlines, turned into a row of frusta as Import3D does."""

from collections.abc import Sequence

import numpy as np

from ...base.errors import MorphologyError


def sphere(point: np.ndarray) -> np.ndarray:
    """A one-point soma [4] (x, y, z, radius) as a cylinder [3, 4] along x: length = diameter, so the sphere's area."""
    points = np.tile(np.asarray(point, float), (3, 1))
    points[:, 0] += np.array([-1.0, 0.0, 1.0]) * points[0, 3]
    return points


def resampled(outline: np.ndarray) -> np.ndarray:
    """An outline [n, 3] at 101 equal steps [101, 3] of its length in the xy plane, from its first to its last point."""
    step = np.linalg.norm(np.diff(outline[:, :2], axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(step)])
    at = along[-1] / 100 * np.arange(101)
    return np.stack([np.interp(at, along, column) for column in outline.T], axis=1)


def center(outlines: Sequence[np.ndarray]) -> np.ndarray:
    """The middle [3] of an outline, or half-way along the line through the middles of a stack of outlines."""
    middles = np.array([resampled(o).mean(axis=0) for o in outlines])
    step = np.linalg.norm(np.diff(middles, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(step)])
    if along[-1] == 0:
        return middles[0]
    return np.array([np.interp(along[-1] / 2, along, column) for column in middles.T])


def soma(outlines: Sequence[np.ndarray]) -> np.ndarray:
    """The soma [n, 4] inside one outline [m, 3], or inside a stack of outlines.

    Raises `MorphologyError` for outlines that have no inside.
    """
    points = _spindle(outlines[0]) if len(outlines) == 1 else _stack(outlines)
    if points is None or not (points[:, 3] > 0).all():
        raise MorphologyError(
            "the soma outline surrounds no area in the xy plane; draw it again or leave it out"
        )
    return points


def doubt(outlines: Sequence[np.ndarray]) -> str | None:
    """Why a stack of outlines is no soma cut into slices, or None."""
    if any((outline[:, 2] != outline[0, 2]).any() for outline in outlines):
        return "an outline of this soma does not lie at one z"
    step = np.diff([outline[0, 2] for outline in outlines])
    if not ((step > 0).all() or (step < 0).all()):
        return "the outlines of this soma do not follow one another in z"
    return None


def _stack(outlines: Sequence[np.ndarray]) -> np.ndarray:
    """One disc per outline; its diameter is the outline's mean radius plus its perimeter / 2π."""
    discs = []
    for outline in outlines:
        perimeter = np.linalg.norm(np.roll(outline, -1, axis=0) - outline, axis=1).sum()
        points = resampled(outline)
        middle = points.mean(axis=0)
        diameter = np.linalg.norm(points - middle, axis=1).mean() + perimeter / (2 * np.pi)
        discs.append([*middle, diameter / 2])
    return np.array(discs)


def _spindle(outline: np.ndarray) -> np.ndarray | None:
    """Discs at 21 places along an outline's long axis, as wide as the outline is there; None where it has no inside."""
    points = resampled(outline)
    middle = points.mean(axis=0)
    points = points - middle
    size, axes = np.linalg.eigh(points.T @ points)
    major = axes[:, 2]  # of the largest eigenvalue
    major = major * (np.sign(major[np.argmax(np.abs(major))]) or 1.0)
    minor = axes[:, 1] * [1.0, 1.0, 0.0]
    if (
        size[1] <= 1e-12 * size[2] or np.linalg.norm(minor) < 1e-6
    ):  # a line, or an outline that stands on edge
        return None
    minor = minor / np.linalg.norm(minor)
    along, across = points @ major, points @ minor
    top = np.argmax(along)
    along, across = np.roll(along, -top), np.roll(across, -top)
    bottom = np.argmin(along)
    left = _rising(along[:bottom][::-1], across[:bottom][::-1])
    right = _rising(along[bottom:], across[bottom:])
    places = np.sort(np.concatenate([left[0], right[0]]))
    at = np.linspace(places[1], places[-2], 21)
    diameter = np.abs(np.interp(at, *left) - np.interp(at, *right))
    diameter[0] = (diameter[0] + diameter[1]) / 2  # no pointed ends
    diameter[-1] = (diameter[-1] + diameter[-2]) / 2
    return np.column_stack([at[:, None] * major + middle, diameter / 2])


def _rising(along: np.ndarray, across: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Drop the points of one side of an outline where it turns back, scanning from its far end."""
    keep = list(range(len(along)))
    j = len(keep) - 1
    while j > 0:
        if along[keep[j]] <= along[keep[j - 1]]:
            del keep[j]
            if j != len(keep):
                continue  # the point that moved up is compared again
        j -= 1
    return along[keep], across[keep]
