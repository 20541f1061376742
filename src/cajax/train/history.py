"""The history of a fit: one entry per step, as plain numbers."""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self, final

from ..base.disk import parsed, plain, write_json
from ..base.errors import StoreError
from ..base.schema import Within, conformed

MOST_STEPS = 10**7
"""No training makes more steps."""
Steps = Annotated[int, Within(0, MOST_STEPS)]


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
    stopped: Literal["", "finished", "enough", "interrupted", "callback", "diverged", "running"] = ""

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
        """Return the history that `to_json` wrote; `StoreError` names the key where the text is none."""
        try:
            data = parsed(text, "the text") if isinstance(text, str) else text
            history = conformed(data, cls, "")
            return history._checked()
        except StoreError as error:
            raise StoreError(
                f"this is not the history of a fit ({error}); give the text that to_json wrote"
            ) from None

    def _checked(self) -> Self:
        steps = len(self.losses)
        if steps > MOST_STEPS:
            raise StoreError(f"losses has {steps:,} entries, more than {MOST_STEPS:,}")
        for name, values in (("grad_norms", self.grad_norms), ("seconds", self.seconds), ("aux", self.aux)):
            if len(values) != steps and (name != "aux" or values):
                raise StoreError(f"{name} has {len(values)} entries, losses has {steps}")
        if not all(0.0 <= x < math.inf for x in self.seconds):
            raise StoreError("seconds holds what is no time")
        return self
