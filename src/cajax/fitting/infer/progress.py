"""What an inference says while it works: a plain line now and then, on standard error."""

import time
from collections.abc import Callable
from typing import final

QUIET, EVERY = 2.0, 10.0
"""Seconds before anything is said, and between two lines."""


@final
class Telling:
    """Says how far a step of an inference is; `enabled` None: only where it takes longer than `QUIET`."""

    def __init__(self, enabled: bool | None) -> None:
        self._enabled = enabled
        self._begin = time.perf_counter()
        self._last = self._begin - EVERY if enabled else self._begin + QUIET - EVERY

    def of(self, step: str) -> Callable[[float], bool]:
        """Return what says that a share of this step is done, and is never a wish to stop."""

        def say(share: float) -> bool:
            self(step, share)
            return False

        return say

    def __call__(self, step: str, share: float) -> None:
        """Say that a share of a step is done, unless something was said moments ago."""
        now = time.perf_counter()
        if self._enabled is False or now - self._last < EVERY:
            return
        from rich.console import Console

        self._last = now
        Console(stderr=True, highlight=False).print(
            f"{step} {100.0 * share:3.0f} %  after {now - self._begin:.0f} s", markup=False, soft_wrap=True
        )
