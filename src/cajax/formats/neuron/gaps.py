"""What the pointers of point processes show, and pairs of them that are gap junctions."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, final

import jax
import numpy as np

from ...base.errors import CajaxError, ParameterError
from ...mech import Channel
from ..mod.read import class_of_source
from ..mod.source import text_source, visible
from .places import Places

_CLOSE = 1e-9
"""How far, relatively, both halves of a junction may differ."""


@final
@dataclass(frozen=True)
class Half:
    """Half a gap junction: a `point` process on the segment `own` that passes g (v − v of `other`), g in µS."""

    name: str
    point: Any
    own: Any
    other: Any
    conductance: float


@final
@dataclass(frozen=True)
class Gap:
    """A gap junction between two segments: `conductance` µS."""

    name: str
    ends: tuple[Any, Any]
    conductance: float


def paired(halves: Sequence[Half]) -> tuple[list[Gap], list[Half]]:
    """Return the junctions that halves make with equal conductances, and the halves that have no other."""
    waiting: dict[tuple[Any, Any], list[Half]] = {}
    found: list[Gap] = []
    for half in halves:
        known = waiting.get((_key(half.other), _key(half.own)), [])
        match = next((x for x in known if np.isclose(x.conductance, half.conductance, rtol=_CLOSE)), None)
        if match is None:
            waiting.setdefault((_key(half.own), _key(half.other)), []).append(half)
        else:
            known.remove(match)
            found.append(Gap(half.name, (match.own, match.other), half.conductance))
    return found, [x for rows in waiting.values() for x in rows]


def _key(seg: Any) -> tuple[Any, float]:
    """Return what is the same for all objects that stand for one segment."""
    return seg.sec, float(seg.x)


def pointers(text: str) -> list[str]:
    """Return the POINTER variables of a mechanism's text."""
    found = re.findall(r"^\s*(?:BBCORE)?POINTER\s+(\w+(?:\s*,\s*\w+)*)", visible(text), re.MULTILINE)
    return [name for row in found for name in re.split(r"\s*,\s*", row)]


def shown(h: Any, places: Places, points: Sequence[Any], name: str) -> list[Any]:
    """Return the segment whose voltage the pointer `name` of every point process shows.

    Every voltage is another number while this looks, and what it was afterwards. Raises `ParameterError` for a pointer
    that shows something else.
    """
    segments = [seg for sec in places.spots for seg in sec]
    before = [seg.v for seg in segments]
    try:
        for k, seg in enumerate(segments):
            seg.v = 1e6 + k
        values = [_value(p, name) for p in points]
    finally:
        for seg, v in zip(segments, before, strict=True):
            seg.v = v
    found = []
    for p, value in zip(points, values, strict=True):
        number = value - 1e6
        if not (0 <= number < len(segments) and number == int(number)):
            raise ParameterError(
                f"the POINTER {name} of {p.hname()} shows no voltage of a segment, and only those are taken over"
            )
        found.append(segments[int(number)])
    return found


def _value(point: Any, name: str) -> float:
    try:
        return float(getattr(point, name))
    except (RuntimeError, AttributeError, TypeError, ValueError):
        raise ParameterError(f"the POINTER {name} of {point.hname()} is not set; use h.setpointer") from None


def is_junction(name: str, text: str, pointer: str) -> bool:
    """Whether a point process passes a current in proportion to the difference between v and what its pointer shows."""
    channel = _as_channel(text, name, pointer)
    return channel is not None and _conductance(channel, {}, pointer) is not None


def halves(name: str, text: str, pointer: str, points: Sequence[Any], others: Sequence[Any]) -> list[Half]:
    """Return the half junctions of one point process that `is_junction`."""
    channel = _as_channel(text, name, pointer)
    found = []
    for p, other in zip(points, others, strict=True):
        own = (
            {s.name: float(getattr(p, s.name)) for s in channel.specs() if s.name != pointer}
            if channel
            else {}
        )
        g = _conductance(channel, own, pointer) if channel else None
        if g is None:
            raise ParameterError(f"the current of {p.hname()} is not in proportion to v - {pointer}")
        found.append(Half(name, p, p.get_segment(), other, g))
    return found


@lru_cache(maxsize=64)
def _as_channel(text: str, name: str, pointer: str) -> type[Channel] | None:
    """Return a junction's text read as a channel whose parameter is what the pointer shows; None where it has states.

    The text is rewritten for this alone: nothing of it is run.
    """
    plain = visible(text)
    if re.search(r"\b(STATE|NET_RECEIVE|VERBATIM|SOLVE)\b", plain):
        return None
    plain = re.sub(r"\bPOINT_PROCESS\b", "SUFFIX", plain)
    plain = re.sub(rf"(?m)^(\s*)POINTER\s+{pointer}\s*$", rf"\1RANGE {pointer}", plain)
    declared = rf"\b{pointer}\s*\([^)]*\)"
    plain = re.sub(rf"(ASSIGNED\s*{{[^}}]*?){declared}", r"\1", plain)
    plain += f"\nPARAMETER {{ {pointer} = 0 (mV) }}\n"
    try:
        cls = class_of_source(text_source(plain, f"{name}.mod"))
    except CajaxError:
        return None
    return cls if issubclass(cls, Channel) else None


def _conductance(cls: type[Channel], own: Mapping[str, float], pointer: str) -> float | None:
    """Return g where the current is g (v − pointer), None where it is another function."""
    v, other = np.array([-80.0, -35.0, 10.0, 25.0]), np.array([-60.0, -35.0, -70.0, 30.0])
    with jax.enable_x64(True):
        made = [cls().with_params({**own, pointer: float(x)}) for x in other]
        rows = [m.carried(np.array([u])) for m, u in zip(made, v, strict=True)]
        flow = np.array([float(sum(np.asarray(x).ravel()[0] for x in row.values())) for row in rows])
    g = float(flow[0] / (v[0] - other[0]))
    return g if g >= 0.0 and np.allclose(flow, g * (v - other), rtol=1e-9, atol=1e-12) else None
