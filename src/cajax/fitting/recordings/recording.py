"""A recording: the sweeps of one cell, where they come from, and a report of what was read exactly and what was not."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from typing import final

import numpy as np

from ...base.errors import unknown
from ...base.show import text_of
from .sweep import Sweep

_SHOWN = 40  # sweeps of a table


@final
@dataclass(frozen=True)
class Report:
    """What was read as it stands, what was changed or assumed, and what was left out, one line each."""

    exact: tuple[str, ...] = ()
    approximated: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = (("exact", self.exact), ("approximated", self.approximated), ("refused", self.refused))
        return "\n".join(f"{name}: {text}" for name, texts in parts for text in texts) or "nothing to report"


@final
@dataclass(frozen=True, eq=False)
class Recording:
    """The `sweeps` of a file, its `path`, and a `report`; printed as a table.

    `recording[3]` is the fourth of its sweeps, `recording["name"]` the one of that name.
    """

    sweeps: tuple[Sweep, ...]
    path: str = ""
    report: Report = Report()

    def __len__(self) -> int:
        return len(self.sweeps)

    def __iter__(self) -> Iterator[Sweep]:
        return iter(self.sweeps)

    def __getitem__(self, name: str | int) -> Sweep:
        if isinstance(name, int) and -len(self) <= name < len(self):
            return self.sweeps[name]
        if isinstance(name, int):
            raise IndexError(f"{self.path} has sweeps 0 to {len(self) - 1}, not {name}")
        for sweep in self.sweeps:
            if sweep.name == name:
                return sweep
        raise unknown("sweep", name, [sweep.name for sweep in self.sweeps], self.path)

    def of_kind(self, kind: str) -> tuple[Sweep, ...]:
        """Return the sweeps of a kind: "step", "ramp", "pulse", "noise" or "none", in the order of the file."""
        return tuple(sweep for sweep in self.sweeps if sweep.kind == kind)

    def steps(self) -> tuple[Sweep, ...]:
        """Return the sweeps with a step, by amplitude."""
        return tuple(sorted(self.of_kind("step"), key=lambda sweep: sweep.amplitude))

    def repeats(self, close: float = 0.02) -> tuple[tuple[Sweep, ...], ...]:
        """Return the sweeps in groups that repeat one stimulus, in the order of the file.

        They agree in mode, kind and sampling step, begin and end within a millisecond, and differ in amplitude and
        holding by less than `close` times the amplitude.
        """
        groups: list[list[Sweep]] = []
        for sweep in self.sweeps:
            for group in groups:
                if _same(group[0], sweep, close):
                    group.append(sweep)
                    break
            else:
                groups.append([sweep])
        return tuple(map(tuple, groups))

    def __repr__(self) -> str:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        # A path is no markup: it may hold square brackets.
        title = Text(f"{self.path}: {len(self)} sweep{'s' * (len(self) != 1)}", "italic")
        table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
        for name in ("", "name", "kind", "on", "off", "amplitude", "holding", "length", "dt", "v"):
            table.add_column(name, justify="left" if name in ("name", "kind") else "right", no_wrap=True)
        for number, sweep in enumerate(self.sweeps[:_SHOWN]):
            table.add_row(*(Text(cell) for cell in (str(number), *_row(sweep))))
        left = len(self.sweeps) - _SHOWN
        rest = [f"… and {left} more"] if left > 0 else []
        rest += [f"refused: {text}" for text in self.report.refused]
        return "\n".join([text_of(table, 200), *rest])


def _same(a: Sweep, b: Sweep, close: float) -> bool:
    if (a.mode, a.kind) != (b.mode, b.kind) or abs(a.dt - b.dt) > 1e-9 * a.dt:
        return False
    size = close * max(abs(a.amplitude), 1e-3 if a.mode == "current" else 1.0)
    times = np.nan_to_num(np.array([a.on - b.on, a.off - b.off]))
    return (
        abs(a.amplitude - b.amplitude) < size
        and abs(a.holding - b.holding) < size
        and bool((abs(times) < 1.0).all())
    )


def _row(sweep: Sweep) -> list[str]:
    unit = "mV" if sweep.mode == "voltage" else "nA"
    on, off = ("" if isnan(x) else f"{x:g} ms" for x in (sweep.on, sweep.off))
    kind = f"{sweep.kind}, voltage clamp" if sweep.mode == "voltage" else sweep.kind
    return [
        sweep.name + (" (clipped)" if sweep.clipped else ""), kind, on, off, f"{sweep.amplitude:.4g} {unit}",
        f"{round(sweep.holding, 6):.4g} {unit}", f"{sweep.duration:g} ms", f"{sweep.dt:g} ms",
        f"{sweep.v.min():.1f} to {sweep.v.max():.1f} mV",
    ]  # fmt: skip
