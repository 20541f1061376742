"""Parts of a page: drawn with care, so that one that cannot be made is said in a sentence."""

from collections.abc import Callable
from typing import Any

from ..base.errors import CajaxError
from .html import Picture, paragraph, pictures, words


def careful(make: Callable[[], Any]) -> Any:
    """Return what `make` returns; where what the folder holds does not fit together, a sentence that says so.

    Other exceptions are faults of the code that draws, and no sentence in a page: they propagate.
    """
    try:
        return make()
    except CajaxError as error:
        return paragraph(f"This part could not be made ({words(str(error))}).", "fault")


def html_of(found: Any) -> str:
    """Return pictures, one picture, HTML or nothing as HTML."""
    if isinstance(found, str):
        return found
    if found is None:
        return ""
    return pictures([found] if isinstance(found, Picture) else [p for p in found if p is not None])


def drawings(*makers: Callable[[], Any]) -> str:
    """Return the pictures of all makers in one grid, followed by the sentences of those that failed."""
    found = [careful(make) for make in makers]
    good = [p for f in found if not isinstance(f, str) for p in ([f] if isinstance(f, Picture) else f or [])]
    return html_of([p for p in good if p is not None]) + "".join(f for f in found if isinstance(f, str))


def quiet(text: str) -> str:
    """Return a sentence about what is not there."""
    return paragraph(text, "quiet")
