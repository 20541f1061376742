"""The history of a fit: one entry per step, as plain numbers."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self, final

from ..base.disk import plain, write_json
from ..base.errors import StoreError


@final
@dataclass
class History:
    """What happened at each step of a fit; entry k belongs to the parameters before step k's update.

    `losses`, `grad_norms` (Euclidean, of the unconstrained parameters) and `seconds` (wall time; the first
    one holds the compilation) have one number per step; `aux` has what the loss returned beside its value,
    as plain numbers, lists and dictionaries, and is empty without `has_aux`. `cut` names parameters whose
    gradient was exactly zero at every step: the loss does not depend on them. `stopped` is "finished", "enough",
    "interrupted", "callback" or "diverged", and "running" in a checkpoint.
    """

    losses: list[float] = field(default_factory=list)
    grad_norms: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    aux: list[Any] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    stopped: str = ""

    @property
    def steps(self) -> int:
        """How many steps were made, those before a resume included."""
        return len(self.losses)

    def add(self, loss: float, grad_norm: float, seconds: float, aux: Any, still: list[str]) -> None:
        """Append one step; `still` names the parameters whose gradient was exactly zero in it."""
        self.cut = [path for path in self.cut if path in still] if self.losses else list(still)
        self.losses.append(loss)
        self.grad_norms.append(grad_norm)
        self.seconds.append(seconds)
        if aux is not None:
            self.aux.append(plain(aux))

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the history as JSON text, and write it to `path` if one is given."""
        if path is not None:
            write_json(path, asdict(self))
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | dict[str, Any]) -> Self:
        """Return the history that `to_json` wrote; `StoreError` when the text is none."""
        try:
            return cls(**(json.loads(text) if isinstance(text, str) else text))
        except (TypeError, ValueError) as error:
            raise StoreError(
                f"this is not the history of a fit ({error}); give the text that to_json wrote"
            ) from error
