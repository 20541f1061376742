"""`check_gradient`: is the gradient of a loss the slope that central differences see, and is no path cut?"""

import dataclasses
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from ..base.checks import count, flag, number
from ..base.errors import NonFiniteError, ParameterError
from ..base.types import Array
from ..inputs.base import as_key
from ..model.model import Model
from .check_table import DirectionRow, GradientCheck, PathRow
from .free import Free, Theta, Trainable, check_kinds
from .progress import Reporter

WIDE = (0.5, 0.1, 0.02)
"""Moves of theta (of order one) that show whether a loss depends on a parameter whose gradient is zero."""
LADDER = 6
"""At most this many steps, each a quarter of the one before, are tried for a central difference."""
DOUBTFUL = 0.1
"""A difference with a larger relative uncertainty says nothing."""
ADDED = 1e-4
"""A smaller share of a gradient is how two programs round, in single precision too; no surrogate adds so little."""

_ROUGH = (
    "check_gradient in {}: differences are good to some three digits only; say"
    " jax.config.update('jax_enable_x64', True) before the model is built for a sharp check"
)


def check_gradient(
    loss: Callable[..., Any],
    model: Trainable,
    free: Free,
    *args: Any,
    key: Array | None = None,
    directions: int = 3,
    tolerance: float | None = None,
    progress: bool | None = None,
) -> GradientCheck:
    """Compare the gradient of `loss(model, *args)` with central differences; return a table to print.

    Along `directions` random directions in the unconstrained space of `free` the derivative is taken in reverse mode,
    in forward mode and by central differences. Their step is chosen against the noise of the loss and extrapolated
    (Ridders 1982, Adv Eng Softw 4:75), so each difference knows its uncertainty. A direction *differs* when its
    relative error exceeds both `tolerance` (default 1e-6 in double, 1e-2 in single precision) and what the
    uncertainty explains; then every path is looked at for itself. A path whose gradient is exactly zero though the
    loss moves with it is reported as *cut*: a hard threshold, a rounded delay, `stop_gradient`.

    Where a projection has a surrogate, the differences are compared with the gradient through the times of spikes
    alone, which is exact; every path says how much of its gradient the surrogates add.

    Costs two gradients, and some ten losses a direction. Warns in single precision, where differences are
    good to some three digits only. Raises `NonFiniteError` where the loss or its gradient is not finite,
    `ParameterError` for a loss that is not one number.
    """
    directions = _check_arguments(loss, model, free, directions, tolerance, progress, key)
    theta = free.init(model)
    dtype = jnp.result_type(*theta.values())
    if dtype.itemsize < 8:
        warnings.warn(_ROUGH.format(dtype), stacklevel=2)
    total = 8 + directions * 2 * LADDER
    with Reporter(total, 0, progress) as report:
        smooth, added = _without_surrogates(model), None
        if smooth is not model:
            added = jax.device_get(jax.jit(jax.grad(lambda t: loss(free.apply(model, t), *args)))(theta))
        probe = _Probe(lambda t: loss(free.apply(smooth, t), *args), theta, report, total, added)
        keys = jax.random.split(jax.random.key(0) if key is None else key, directions)
        noise = probe.noise(_random(keys[0], theta))
        bound = tolerance if tolerance is not None else (1e-6 if dtype.itemsize >= 8 else 1e-2)
        rows = [probe.along(f"random {i + 1}", _random(k, theta), noise, bound) for i, k in enumerate(keys)]
        one_by_one = any(row.verdict == "differs" for row in rows)
        paths = [probe.path(path, noise, bound, one_by_one) for path in theta]
    return GradientCheck(probe.value, noise, str(dtype), tuple(paths), tuple(rows))


def _check_arguments(
    loss: Any, model: Any, free: Any, directions: Any, tolerance: Any, progress: Any, key: Any
) -> int:
    """Return the number of directions; raises `ParameterError` for arguments that make no sense."""
    check_kinds("check_gradient", loss, model, free)
    if tolerance is not None:
        number(tolerance, "1", "check_gradient: tolerance", above=0.0)
    if progress is not None:
        flag(progress, "check_gradient: progress")
    if key is not None:
        as_key(key, "check_gradient")
    return count(directions, "check_gradient: directions", most=1000)


def _without_surrogates(model: Trainable) -> Trainable:
    """Return the model, or what holds models, without surrogates; the same object where there are none."""

    def plain(m: Any) -> Any:
        if not isinstance(m, Model):
            return m
        structure = m.structure.without_surrogates()
        return m if structure == m.structure else dataclasses.replace(m, structure=structure)

    leaves, tree = jax.tree.flatten(model, is_leaf=lambda x: isinstance(x, Model))
    found = [plain(m) for m in leaves]
    return (
        model if all(a is b for a, b in zip(found, leaves, strict=True)) else jax.tree.unflatten(tree, found)
    )


def _random(key: Array, theta: Theta) -> Theta:
    keys = jax.random.split(key, len(theta))
    return {
        path: jax.random.normal(k, x.shape, x.dtype) for k, (path, x) in zip(keys, theta.items(), strict=True)
    }


@final
@dataclass(frozen=True)
class _Estimate:
    """A derivative by differences, its uncertainty, and the step of the finest one used."""

    value: float
    uncertainty: float
    step: float


@final
class _Probe:
    """The loss as a function of theta, compiled once, with its gradient at the start."""

    def __init__(
        self,
        function: Callable[[Theta], Any],
        theta: Theta,
        report: Reporter,
        total: int,
        added: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.theta, self._report, self._done, self._total = theta, report, 0, total
        shape = jax.eval_shape(function, theta)
        if getattr(shape, "shape", None) != () or not jnp.issubdtype(shape.dtype, jnp.floating):
            found = " ".join(str(shape).split())[:80]
            raise ParameterError(f"check_gradient: the loss must return one real number, not {found}")
        self._moved = jax.jit(
            lambda t, d, h: function({path: x + h.astype(x.dtype) * d[path] for path, x in t.items()})
        )
        self._forward = jax.jit(lambda t, d: jax.jvp(function, (t,), (d,))[1])
        self.value, gradient = jax.device_get(jax.jit(jax.value_and_grad(function))(theta))
        self.value = float(self.value)
        self.gradient: Mapping[str, np.ndarray] = {k: np.asarray(x, float) for k, x in gradient.items()}
        self._surrogate = None if added is None else {k: np.asarray(x, float) for k, x in added.items()}
        bad = [path for path, g in self.gradient.items() if not np.isfinite(g).all()]
        if bad or not np.isfinite(self.value):
            what = f"the gradient of {bad[0]}" if bad else f"the loss ({self.value})"
            raise NonFiniteError(f"check_gradient: {what} is not finite; start from parameters where it is")

    def at(self, direction: Theta, h: float) -> float:
        """Return the loss at theta + h · direction."""
        value = float(self._moved(self.theta, direction, jnp.asarray(h, dtype=float)))
        self._done = min(self._done + 1, self._total)
        self._report.update(self._done, value)
        return value

    def noise(self, direction: Theta) -> float:
        """Estimate the rounding noise of the loss from differences of values very close together.

        Source: Moré and Wild (2011), SIAM J Sci Comput 33:1292.
        """
        m = 6
        eps = float(jnp.finfo(jnp.result_type(*self.theta.values())).eps)
        values = np.full(m + 1, self.value)
        for spacing in (64 * eps, eps ** (2 / 3), eps ** (1 / 2), eps ** (1 / 3)):
            values = np.array([self.at(direction, k * spacing) for k in range(m + 1)])
            if len(set(values)) > m // 2:  # else so close together that rounding makes them equal
                break
        levels, gamma, differences = [], 1.0, values
        for k in range(1, m + 1):
            differences = np.diff(differences)
            gamma *= 0.5 * k / (2 * k - 1)
            levels.append(np.sqrt(gamma * np.mean(differences**2)))
        # Low differences still hold the slope, high ones are few.
        level, least = float(min(levels[2:5])), 0.5 * eps * abs(self.value)
        return max(level, least) if np.isfinite(level) else least

    def along(self, name: str, direction: Theta, noise: float, tolerance: float) -> DirectionRow:
        """Compare the three derivatives along a direction."""
        reverse = sum(float(np.vdot(g, direction[path])) for path, g in self.gradient.items())
        try:
            forward = float(self._forward(self.theta, direction))
        except TypeError:  # a loss with a `custom_vjp` has no forward mode
            forward = None
        found = self._difference(direction, noise, 0.1 * tolerance)
        error = abs(reverse - found.value)
        size = max(abs(found.value), abs(reverse))
        if not error > max(tolerance * size, 3 * found.uncertainty):
            # Where the difference is too rough to tell, agreement within its uncertainty means nothing.
            rough = found.uncertainty > DOUBTFUL * size and size > 0
            verdict = "doubtful" if rough else "agrees"
        else:
            verdict = "differs" if np.isfinite(found.uncertainty) else "doubtful"
        if forward is not None and abs(forward - reverse) > max(tolerance * size, 100 * noise):
            verdict = "differs"
        return DirectionRow(name, reverse, forward, found.value, found.uncertainty, found.step, verdict)

    def _difference(self, direction: Theta, noise: float, wanted: float) -> _Estimate:
        """Return the central difference that the error estimate of extrapolation trusts most."""
        best = _Estimate(float("nan"), float("inf"), float("nan"))
        for estimate in self._extrapolations(direction, noise):
            if estimate.uncertainty < best.uncertainty:
                best = estimate
            if best.uncertainty <= wanted * abs(best.value):
                break
        return best

    def _extrapolations(self, direction: Theta, noise: float) -> Iterator[_Estimate]:
        # The step at which a fourth-order difference balances truncation and noise, and some above and below.
        h = 4 * (noise / max(abs(self.value), 1e-30)) ** 0.2
        row: list[float] = []
        for _ in range(LADDER):
            plain = (self.at(direction, h) - self.at(direction, -h)) / (2 * h)
            new, rounding = [plain], noise / h
            for k, old in enumerate(row):
                new.append(new[k] + (new[k] - old) / (16.0 ** (k + 1) - 1))
                spread = max(abs(new[k + 1] - new[k]), abs(new[k + 1] - old))
                if np.isfinite(spread):
                    yield _Estimate(new[k + 1], spread + rounding, h)
            row, h = new, h / 4

    def path(self, path: str, noise: float, tolerance: float, compare: bool) -> PathRow:
        """Look at one path: its gradient's norm, how much of it is exactly zero, and whether it is cut."""
        g = self.gradient[path]
        zeros, along, moves, share = int(np.sum(g == 0.0)), None, 0.0, None
        if self._surrogate is not None:
            whole = self._surrogate[path]
            share = float(np.linalg.norm(whole - g) / max(float(np.linalg.norm(whole)), 1e-300))
            share = share if share > ADDED else 0.0
            if zeros == g.size and share > 0.0:
                return PathRow(
                    path, g.size, float(np.linalg.norm(whole)), 0, "surrogate only", 0.0, None, share
                )
        if zeros == g.size:
            moves = max((self._wide(path, h) for h in WIDE), default=0.0)
            cut = moves > 10 * noise
            return PathRow(path, g.size, 0.0, zeros, "cut" if cut else "no effect", moves, None, share)
        if compare:
            signs = np.where(g < 0, -1.0, 1.0)
            along = self.along(path, self._only(path, signs), noise, tolerance)
        verdict = along.verdict if along else "not cut"
        return PathRow(path, g.size, float(np.linalg.norm(g)), zeros, verdict, moves, along, share)

    def _wide(self, path: str, h: float) -> float:
        """Return the largest change of the loss when all of a path moves by h up or down."""
        direction = self._only(path, np.ones(self.gradient[path].shape))
        changes = [abs(self.at(direction, s * h) - self.value) for s in (1.0, -1.0)]
        return max((c for c in changes if np.isfinite(c)), default=0.0)

    def _only(self, path: str, values: np.ndarray) -> Theta:
        return {
            p: jnp.asarray(values, x.dtype) if p == path else jnp.zeros_like(x) for p, x in self.theta.items()
        }
