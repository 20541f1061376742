"""The sizes in the header of an ABF file, looked at before the library allocates what they claim."""

import math
import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple, final

from ..errors import RecordingError

MOST_SWEEPS = 10_000
MOST_CHANNELS = 16
_BLOCK = 512
# Sections of version 2: name → (place of its entry in the header, most entries).
_SECTIONS = {
    "protocol": (76, 1), "adc": (92, MOST_CHANNELS), "dac": (108, 64), "epoch": (124, 1000),
    "epoch of dac": (156, 10_000), "user list": (172, 1000), "strings": (220, 10_000), "data": (236, 2**40),
    "tag": (252, 100_000), "synch array": (316, 1_000_000),
}  # fmt: skip


@final
class Header(NamedTuple):
    """The sampling step of each channel (ms), and what could not be read exactly."""

    dt: float
    notes: list[str]


def read_header(path: Path, file: BinaryIO) -> Header:
    """Return the sampling step; `RecordingError` for sizes that do not fit the file, or what is no ABF file."""
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(6144)
    if len(head) < _BLOCK:
        raise RecordingError(
            f"{path} is {'cut short' if head else 'empty'}: it has {len(head)} bytes; copy it again"
        )
    if head[:4] == b"ABF2":
        return _second(path, file, head, size)
    if head[:4] == b"ABF ":
        return _first(path, head, size)
    raise RecordingError(f"{path} is no ABF file: it does not begin with 'ABF'; check what it is")


def _second(path: Path, file: BinaryIO, head: bytes, size: int) -> Header:
    counts = {}
    for name, (place, most) in _SECTIONS.items():
        block, width, count = struct.unpack_from("<IIq", head, place)
        if not 0 <= count <= most or (count and block * _BLOCK + width * count > size):
            raise RecordingError(
                f"{path} is cut short or damaged: its section '{name}' of {count:,} entries does not fit {size:,} bytes"
            )
        counts[name] = (block * _BLOCK, width, count)
    sweeps, kind = struct.unpack_from("<I", head, 12)[0], struct.unpack_from("<H", head, 30)[0]
    channels, points, width = counts["adc"][2], counts["data"][2], counts["data"][1]
    file.seek(counts["protocol"][0])
    mode, interval = struct.unpack("<hf", file.read(6).ljust(6, b"\0"))
    expected = {0: 2, 1: 4}.get(kind)
    if width != expected:
        raise RecordingError(f"{path} is damaged: its samples have {width} bytes")
    _check(path, mode, sweeps, channels, points)
    return Header(_step(path, interval), [])


def _first(path: Path, head: bytes, size: int) -> Header:
    mode, points, _, sweeps = struct.unpack_from("<hihi", head, 8)
    block, tags, tag_count = struct.unpack_from("<iii", head, 40)
    kind, channels = struct.unpack_from("<h", head, 100)[0], struct.unpack_from("<h", head, 120)[0]
    interval = struct.unpack_from("<f", head, 122)[0]
    if kind == 1:
        raise RecordingError(
            f"{path} is an ABF 1 file of floating-point samples, which is not read; save it as ABF 2"
        )
    if not 0 <= tag_count <= 100_000 or min(points, block, tags) < 0 or block * _BLOCK + 2 * points > size:
        raise RecordingError(
            f"{path} is cut short or damaged: its {points:,} samples from block {block} on do not fit {size:,} bytes"
        )
    _check(path, mode, sweeps, channels, points)
    enabled = len(head) > 2304 and any(struct.unpack_from("<2h", head, 2296))
    notes = ["the holding level of an ABF 1 file is taken from its first epoch"] if enabled else []
    return Header(_step(path, interval * channels), notes)


def _check(path: Path, mode: int, sweeps: int, channels: int, points: int) -> None:
    if mode == 1:
        raise RecordingError(
            f"{path} was recorded by events, in sweeps of various lengths, which is not read"
        )
    if not 1 <= channels <= MOST_CHANNELS or points < 2 * channels:
        raise RecordingError(f"{path} has {channels} channels and {points:,} samples; it is empty or damaged")
    if not 0 <= sweeps <= MOST_SWEEPS or points < sweeps * channels:
        raise RecordingError(f"{path} has {sweeps:,} sweeps of {points:,} samples in all; it is damaged")


def _step(path: Path, interval: float) -> float:
    """The sampling step in ms of one in µs."""
    if not (math.isfinite(interval) and 0.0 < interval < 1e9):
        raise RecordingError(f"{path} has a sample each {interval:g} µs; it is damaged")
    return round(interval * 1e-3, 9)
