"""A soft Ctrl-C: what runs long ends its step, saves, and returns what there is."""

import signal
import threading
from types import FrameType
from typing import Any, Self, final


@final
class Interrupt:
    """Turns the first Ctrl-C, or SIGTERM, into a wish to stop; the second one raises `KeyboardInterrupt`."""

    def __init__(self) -> None:
        self.asked = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                previous = signal.getsignal(number)
                if previous not in (signal.SIG_IGN, None):
                    self._previous[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
