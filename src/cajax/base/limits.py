"""How much one call may ask for: what no computer could hold is refused before anything is allocated."""

from .errors import CajaxError, ParameterError


def affordable(
    who: str, count: float, things: str, most: float, cure: str, error: type[CajaxError] = ParameterError
) -> None:
    """Refuse a `count` of `things` above `most`, or one that is no number.

    Raises `error` in one line: `who` asks, the count it would take, the most there may be, the cure.
    """
    if not count <= most:
        raise error(f"{who} would take {_shown(count)} {things}, at most {_shown(most)} are possible; {cure}")


def _shown(count: float) -> str:
    try:
        return f"{count:,.0f}" if abs(count) < 1e15 else f"{float(count):.2g}"
    except OverflowError:
        return "over 1e308"
