"""What a long run says while it runs: a bar on a terminal, otherwise a plain line now and then."""

import threading
import time
from typing import Any, Self, final

QUIET = 2.0
"""Seconds during which nothing is shown; a run that is over by then stays silent."""
EVERY = 10.0
"""Seconds between plain lines."""


@final
class Reporter:
    """Shows step, loss, rate and time left of a run of `steps` steps that begins at step `start`.

    `enabled`: True shows from the start, False never, None only what lasts longer than `QUIET`.
    All output goes to the standard error stream.
    """

    def __init__(self, steps: int, start: int = 0, enabled: bool | None = None, console: Any = None) -> None:
        from rich.console import Console

        self._steps, self._start, self._enabled = steps, start, enabled
        self._console = console or Console(stderr=True, highlight=False)
        self._terminal = self._console.is_terminal or self._console.is_jupyter
        self._bar: Any = None
        self._task: Any = None
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()
        self._step, self._loss = start, float("nan")
        self._first: tuple[float, int] | None = None  # when the first step (with the compilation) was over
        self._shown = False
        self._closed = False

    def __enter__(self) -> Self:
        self._begin = self._last = time.perf_counter()
        if self._enabled is None and self._terminal:
            # A timer, since the first step may compile for a long time without a word.
            self._timer = threading.Timer(QUIET, self._open)
            self._timer.daemon = True
            self._timer.start()
        elif self._enabled and self._terminal:
            self._open()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer:
            self._timer.cancel()
        with self._lock:
            self._closed = True
            if self._bar:
                self._bar.stop()
        wanted = self.elapsed >= QUIET if self._enabled is None else self._enabled
        if wanted and not self._terminal and self._step > self._start:
            self._line()

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self._begin

    @property
    def shown(self) -> bool:
        """Whether the run has said anything."""
        return self._shown

    def say(self, text: str) -> None:
        """Print one line, above the bar if there is one."""
        self._console.print(text, markup=False, soft_wrap=True)

    def update(self, done: int, loss: float) -> None:
        """Tell that `done` steps are made and what the last loss was."""
        now = time.perf_counter()
        self._step, self._loss = done, loss
        if self._first is None:
            self._first = (now, done)
        if self._enabled is False:
            return
        with self._lock:
            if self._bar:
                self._bar.update(self._task, completed=done, loss=f"{loss:.4g}", rate=self._rate())
        if not self._terminal and now - self._last >= EVERY:
            self._line()

    def _open(self) -> None:
        from rich import progress

        with self._lock:
            if self._closed or self._bar:
                return
            columns = (
                progress.TextColumn("step"),
                progress.MofNCompleteColumn(),
                progress.BarColumn(),
                progress.TextColumn("loss {task.fields[loss]}  {task.fields[rate]}"),
                progress.TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            )
            self._bar = progress.Progress(*columns, console=self._console, refresh_per_second=5)
            loss = f"{self._loss:.4g}" if self._first else "–"
            fields = {"loss": loss, "rate": self._rate() or "compiling"}
            self._task = self._bar.add_task("fit", total=self._steps, completed=self._step, **fields)
            self._bar.start()
            self._shown = True

    def _line(self) -> None:
        self._last = time.perf_counter()
        self._shown = True
        rate = self._rate()
        left = f", {self._left()} left" if rate and self._step < self._steps else ""
        self.say(f"step {self._step}/{self._steps}  loss {self._loss:.4g}{f'  {rate}' if rate else ''}{left}")

    def _speed(self) -> float:
        """Steps per second, without the first step and its compilation; 0 when not known yet."""
        if self._first is None or self._step <= self._first[1]:
            return 0.0
        return (self._step - self._first[1]) / (time.perf_counter() - self._first[0])

    def _rate(self) -> str:
        speed = self._speed()
        if not speed:
            return ""
        return f"{speed:.3g} steps/s" if speed >= 1.0 else f"{1.0 / speed:.3g} s/step"

    def _left(self) -> str:
        seconds = round((self._steps - self._step) / self._speed())
        hours, minutes = divmod(seconds // 60, 60)
        return f"{hours}:{minutes:02d}:{seconds % 60:02d}" if hours else f"{minutes}:{seconds % 60:02d}"
