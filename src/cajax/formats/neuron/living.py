"""`from_neuron`: the model that lives in this Python's NEURON, as a recipe."""

from collections.abc import Sequence
from typing import Any

from ...base.checks import flag, shown
from ...base.errors import ParameterError
from .report import Report
from .taken import Living, Taking
from .trees import Tree, trees
from .unseen import foreign, overlooked


def from_neuron(*, strict: bool = False, without: Sequence[str] = ()) -> Living:
    """Return the model that lives in this Python's NEURON.

    Taken over: all sections with their points, `nseg`, `Ra`, `cm`; every density mechanism that `read_mod` takes, from
    the text that it carries, with its parameters in every segment; ions and what their styles make of them; synapses,
    `NetCon`s from voltages and from spike sources; `IClamp`, `SEClamp`, `AlphaSynapse`; gap junctions by pointer;
    `celsius`, `v_init`, `dt`. A run with `BackwardEuler` and the same step is NEURON's.

    What acts and is not taken over is refused by name, unless it is named in `without`: then the model is without it,
    and the report says so. What cannot be seen from outside is listed there as unseen. `strict` refuses what is not
    exact, too. Raises `CajaxError`.
    """
    flag(strict, "from_neuron strict")
    left_out = _names(without)
    h = _simulator()
    report = Report()
    found = trees(h, left_out)
    _refuse_foreign(h, found, left_out, report)
    living = Taking(h, found, left_out, report).living()
    overlooked(h, report)
    if strict:
        report.require_exact("from_neuron")
    return living


def _simulator() -> Any:
    try:
        from neuron import h
    except ImportError as error:
        raise ParameterError(
            "from_neuron needs NEURON in this Python; pip install 'cajax[neuron]'"
        ) from error
    return h


def _names(without: Any) -> tuple[str, ...]:
    if (
        isinstance(without, str)
        or not isinstance(without, Sequence)
        or not all(isinstance(x, str) for x in without)
    ):
        raise ParameterError(f"from_neuron without must be a list of mechanisms' names, not {shown(without)}")
    return tuple(without)


def _refuse_foreign(h: Any, found: Sequence[Tree], left_out: Sequence[str], report: Report) -> None:
    """Raise `ParameterError` for what has no counterpart here, unless it is left out."""
    lines = list(foreign(h, found))
    refused = [line for name, line in lines if name not in left_out]
    if refused:
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        name = next(name for name, line in lines if line == refused[0])
        raise ParameterError(
            f"NEURON holds {refused[0]}{more}; take it out, or call from_neuron(without=['{name}']) to go on without"
        )
    for name, line in lines:
        if name in left_out:
            report.leave_out(line)
