"""The table that `check_gradient` returns: what each path and each direction showed, printed with Rich."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from ..base.show import text_of

if TYPE_CHECKING:
    from rich.console import Group


@final
@dataclass(frozen=True)
class DirectionRow:
    """The derivative of the loss along one direction, three ways, and what to think of it.

    `verdict`: "agrees", "differs", or "doubtful" where the difference itself is too uncertain to tell. `forward` is
    None where the loss has no forward mode; `step` is the finest step of theta that entered the difference.
    """

    name: str
    reverse: float
    forward: float | None
    difference: float
    uncertainty: float
    step: float
    verdict: str

    @property
    def error(self) -> float:
        """The relative difference of reverse mode and central difference."""
        size = max(abs(self.reverse), abs(self.difference))
        return abs(self.reverse - self.difference) / size if size else 0.0


@final
@dataclass(frozen=True)
class PathRow:
    """One trained path: the norm of its exact gradient with respect to theta, and how many entries are exactly zero.

    `surrogate` is None where the model has no surrogates, else how much of the whole gradient they add, relative to its
    norm: 0 is an exact gradient, 1 ("surrogate only") one that has no exact part.

    `verdict`: "cut" (the gradient is exactly zero, but the loss changes by `moves` when theta does), "no effect" (the
    loss does not change either), "not cut", or the verdict of its own direction `along` where that was looked at.
    """

    path: str
    count: int
    norm: float
    zeros: int
    verdict: str
    moves: float = 0.0
    along: DirectionRow | None = None
    surrogate: float | None = None

    @property
    def note(self) -> str:
        """The verdict in words."""
        if self.verdict == "cut":
            return f"cut: the loss moves by {self.moves:.1e}"
        if self.surrogate is None or self.verdict == "surrogate only":
            return self.verdict
        if self.surrogate == 0.0:
            return f"{self.verdict}, exact"
        return f"{self.verdict}, surrogates add {self.surrogate:.0%}"


@final
@dataclass(frozen=True)
class GradientCheck:
    """What `check_gradient` found; `print` it, or give it to Rich.

    `loss` at the start, the `noise` of its value, the `dtype` it was computed in.
    """

    loss: float
    noise: float
    dtype: str
    paths: tuple[PathRow, ...]
    directions: tuple[DirectionRow, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is cut and every direction agrees."""
        return not self.cut and all(d.verdict == "agrees" for d in self.directions)

    @property
    def cut(self) -> tuple[str, ...]:
        """The paths on which the loss depends, though their gradient is exactly zero."""
        return tuple(p.path for p in self.paths if p.verdict == "cut")

    @property
    def summary(self) -> str:
        """What was found, in a sentence."""
        wrong = [p.path for p in self.paths if p.verdict == "differs"]
        found = (
            [f"cut: {', '.join(self.cut)} (a hard threshold, a rounding or a stop_gradient?)"]
            if self.cut
            else []
        )
        if wrong:
            found.append(f"wrong: {', '.join(wrong)}")
        for verdict, text in (
            ("differs", "differ"),
            ("doubtful", "cannot be told (the differences are too rough)"),
        ):
            count = sum(d.verdict == verdict for d in self.directions)
            if count:
                found.append(f"{count} of {len(self.directions)} directions {text}")
        return "; ".join(found) or "the gradient is that of the loss"

    def __rich__(self) -> "Group":
        from rich import box
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        paths = Table(box=box.SIMPLE_HEAD)
        for name in ("parameter", "count", "gradient", "zero", "verdict"):
            paths.add_column(
                name, justify="left" if name in ("parameter", "verdict") else "right", no_wrap=True
            )
        for p in self.paths:
            zeros = str(p.zeros) if p.zeros else ""
            paths.add_row(*(Text(cell) for cell in (p.path, str(p.count), f"{p.norm:.3e}", zeros, p.note)))
        lines = Table(box=box.SIMPLE_HEAD)
        for name in ("direction", "reverse", "forward", "difference", "±", "error", "verdict"):
            lines.add_column(
                name, justify="left" if name in ("direction", "verdict") else "right", no_wrap=True
            )
        for d in (*self.directions, *(p.along for p in self.paths if p.along)):
            forward = "none" if d.forward is None else f"{d.forward:.6e}"
            cells = (d.name, f"{d.reverse:.6e}", forward, f"{d.difference:.6e}", f"{d.uncertainty:.0e}")
            lines.add_row(*(Text(cell) for cell in (*cells, f"{d.error:.0e}", d.verdict)))
        noise = f"loss {self.loss:.6g}, noise {self.noise:.0e} ({self.dtype}): "
        return Group(paths, lines, Text(noise + self.summary))

    def __str__(self) -> str:
        return text_of(self)
