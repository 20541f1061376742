"""What a search says while it works: a bar on a terminal, otherwise a plain line now and then."""

import time
from typing import Any, Self, final

QUIET, EVERY = 2.0, 10.0
"""Seconds before anything is shown, and between two plain lines."""


@final
class Line:
    """Shows the spent share of the budget, the best score, the stage and the time left, on standard error.

    `enabled`: True from the start, False never, None only where the search takes longer than `QUIET`.
    """

    def __init__(self, enabled: bool | None) -> None:
        from rich.console import Console

        self._enabled = enabled
        self._console = Console(stderr=True, highlight=False)
        self._terminal = self._console.is_terminal or self._console.is_jupyter
        self._bar: Any = None
        self._task: Any = None
        self._begin = self._last = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def update(self, share: float, best: float, number: int, label: str, seconds: float) -> None:
        """Tell how far the search is."""
        now = time.perf_counter()
        if self._enabled is False or (self._enabled is None and now - self._begin < QUIET):
            return
        text = f"round {number + 1}, {label}"
        left = f"{seconds * (1.0 / share - 1.0):.0f} s left" if 0.0 < share < 1.0 else ""
        if self._terminal:
            self._show(min(share, 1.0), f"score {best:.4g}  {text}  {left}")
        elif now - self._last >= EVERY or self._last == self._begin:
            self._last = now
            self._console.print(
                f"{100.0 * min(share, 1.0):3.0f} %  score {best:.4g}  {text}{', ' if left else ''}{left}",
                markup=False, soft_wrap=True,
            )  # fmt: skip

    def _show(self, share: float, text: str) -> None:
        if self._bar is None:
            from rich import progress

            columns = (
                progress.TextColumn("search"),
                progress.BarColumn(),
                progress.TextColumn("{task.fields[text]}"),
            )
            self._bar = progress.Progress(*columns, console=self._console, refresh_per_second=5)
            self._task = self._bar.add_task("search", total=1.0, text=text)
            self._bar.start()
        self._bar.update(self._task, completed=share, text=text)
