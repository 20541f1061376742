"""Morphology files that were right, and what chance makes of them."""

import io
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

import h5py
import numpy as np

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / ".." / "shared" / "data" / "morphologies"
LARGEST = 60_000  # bytes of a file of others that is mutated

SWC = [
    "# units: um\n1 1 0 0 0 5 -1\n2 1 10 0 0 5 1\n3 3 20 0 0 1 2\n4 3 30 0 0 1 3\n5 3 40 9 0 1 4\n6 3 40 -9 0 1 4\n",
    "1 1 0 0 0 6 -1\n2 1 0 -6 0 6 1\n3 1 0 6 0 6 1\n4 3 6 0 0 1 1\n5 3 20 0 0 .5 4\n6 2 -6 0 0 1 1\n7 2 -30 0 0 .4 6\n",
    "1 1 0 0 0 5 -1\n2 3 6 0 0 1 1\n3 3 16 0 0 1 2\n4 4 6 9 0 .5 2\n5 4 6 19 0 .5 4\n6 2 0 -6 0 1 1\n7 2 0 -99 0 1 6\n",
    '# {"units": "1 nanometer"}\n1 3 0 0 0 2000 -1\n2 3 9000 0 0 1000 1\n3 3 20000 0 0 1000 2\n4 7 0 10000 0 1000 1\n',
]
_OUTLINE = "(9 0 {z} 0) (6 6 {z} 0) (0 9 {z} 0) (-9 1 {z} 0) (-3 -7 {z} 0) (5 -6 {z} 0)"
_TREE = """( (Color Red) (Dendrite) (12 0 0 2) ; Root
  (20 1 0 1.6) (Cross (Color White) (Name "Marker 1") (20 1 0 1))
  ( (25 6 0 1.2) (40 9 0 1) Normal | (20 1 0 1.5) (28 -4 0 1.1)
    ( (35 -9 2 1) (50 -9 2 .8) <(50 -9 3 1)> High | (36 -2 0 1) (60 -2 0 .5) Incomplete ) ) )
( (Axon) (0 -9 0 1) (0 -30 0 .8) (0 -60 5 .8) Normal )
"""
ASC = [
    f'("CellBody" (Color Blue) (CellBody) {_OUTLINE.format(z=1)})\n{_TREE}',
    "".join(f'("Soma" (CellBody) {_OUTLINE.format(z=z)})\n' for z in (0, 2, 5)) + _TREE,
    f'(Set "first" {_TREE})\n((Color Red) (5 5 0 1) "a text")',
]
WORDS = [
    "nan", "inf", "-inf", "1e30", "1e999", "-1", "0", "-0", "1e-300", "5_0", "٣", "0x10", "1e", ".", "+", "--1", "1.5",
    "18446744073709551615", "-9223372036854775808", "9999999999", "2147483648", "1", "2", "3", "1e5", "\0", "\u2028",
    "(", ")", "|", "<", ">", ",", ";", '"', "#", "()", "( | )", "é", "Normal", "Set", '"Soma"', "(1 2 3 4)",
]  # fmt: skip


@cache
def sound(suffix: str) -> list[bytes]:
    """Valid files of a kind: our own and, where they are, those of the shared folder."""
    if suffix == ".h5":
        return [
            _h5(SECTIONS),
            _h5(SECTIONS, compression="gzip", chunks=True),
            _h5(SECTIONS[1:], version=None),
        ]
    own = [text.encode() for text in {".swc": SWC, ".asc": ASC}[suffix]]
    others = (
        sorted(p for p in DATA.rglob(f"*{suffix}") if p.stat().st_size < LARGEST) if DATA.is_dir() else []
    )
    return own + [p.read_bytes() for p in others]


def mutant(suffix: str, rng: random.Random) -> bytes:
    """A file of a kind, spoiled."""
    if suffix == ".h5" and rng.random() < 0.5:
        return _tables(rng)
    content = rng.choice(sound(suffix))
    ways: list[Callable] = _BYTES if suffix == ".h5" or rng.random() < 0.1 else _WAYS
    for _ in range(rng.choice([1, 1, 1, 2, 3, 6])):
        content = rng.choice(ways)(content, rng)
    return content


def _span(content: bytes, rng: random.Random, longest: int) -> tuple[int, int]:
    start = rng.randrange(len(content) + 1)
    return start, min(start + rng.randrange(longest) + 1, len(content))


def _flip(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(max(len(content), 1))
    return content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]


def _cut(content: bytes, rng: random.Random) -> bytes:
    start, end = _span(content, rng, 40)
    return content[:start] + content[end:]


def _end(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _again(content: bytes, rng: random.Random) -> bytes:
    start, end = _span(content, rng, 60)
    return content[:end] + content[start:end] * rng.choice([1, 1, 2, 1500]) + content[end:]


def _number(content: bytes, rng: random.Random) -> bytes:
    """A number of four or eight bytes, as sizes and addresses are kept."""
    value = rng.choice(
        [0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1, rng.randrange(2**16)]
    )
    size = rng.choice([2, 4, 8])
    at = rng.randrange(max(len(content) - size, 1))
    return content[:at] + (value % 256**size).to_bytes(size, "little") + content[at + size :]


def _word(content: bytes, rng: random.Random) -> bytes:
    words = content.split(b" ")
    words[rng.randrange(len(words))] = rng.choice(WORDS).encode()
    return b" ".join(words)


def _insert(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + b" " + rng.choice(WORDS).encode() + b" " + content[at:]


def _digit(content: bytes, rng: random.Random) -> bytes:
    places = [k for k, c in enumerate(content) if chr(c).isdigit()]
    if not places:
        return content
    at = rng.choice(places)
    return content[:at] + rng.choice(b"0123456789-.").to_bytes(1, "little") + content[at + 1 :]


def _lines(content: bytes, rng: random.Random) -> bytes:
    """Lines lost, doubled, swapped."""
    lines = content.split(b"\n")
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    way = rng.randrange(3)
    if way == 0:
        del lines[a]
    elif way == 1:
        lines.insert(b, lines[a])
    else:
        lines[a], lines[b] = lines[b], lines[a]
    return b"\n".join(lines)


def _deep(content: bytes, rng: random.Random) -> bytes:
    """Thousands of parentheses or forks, or a long chain of points."""
    depth = rng.choice([10, 1100, 20_000])
    at = rng.randrange(len(content) + 1)
    piece = rng.choice(
        [b"(", b'(Set "a" ', b"( (1 2 3 4) ( (1 2 4 4) ", b"( (2 2 3 4) (1 2 3 4) | (1 2 4 4) "]
    )
    tail = rng.choice([b"", b")" * (depth * piece.count(b"(") - depth * piece.count(b")"))])
    return content[:at] + piece * depth + tail + content[at:]


def _chain(content: bytes, rng: random.Random) -> bytes:
    n = rng.choice([2000, 10_000])
    kind, radius = rng.choice([1, 3]), rng.choice(["1", "0", "1e-7"])
    fork = rng.random() < 0.5  # every point a branch of its own
    rows = (
        f"{k} {kind + (k % 2 if fork else 0)} {k} 0 0 {radius} {k - 1 if k > 1 else -1}" for k in range(1, n)
    )
    return "\n".join(rows).encode() + b"\n" + content[: rng.choice([0, len(content)])]


_BYTES = [_flip, _flip, _cut, _end, _again, _number, _number]
_WAYS = [
    _word,
    _word,
    _word,
    _insert,
    _insert,
    _digit,
    _digit,
    _lines,
    _cut,
    _end,
    _again,
    _flip,
    _deep,
    _chain,
]

# Sections of a cell in HDF5: type, parent, points.
SECTIONS = [
    (1, -1, [[9, 0, 0, 0], [6, 6, 0, 0], [0, 9, 0, 0], [-9, 0, 0, 0], [0, -9, 0, 0]]),
    (3, 0, [[0, 5, 0, 2], [0, 30, 0, 2]]),
    (3, 1, [[0, 30, 0, 2], [0, 40, 0, 1], [9, 50, 0, 1]]),
    (3, 1, [[0, 30, 0, 1], [-9, 50, 0, 1]]),
    (2, 0, [[0, -5, 0, 1], [0, -60, 0, 0.8]]),
]


def _h5(sections: list, version: tuple[int, ...] | None = (1, 3), **options) -> bytes:
    lost = len(SECTIONS) - len(sections)
    counts = np.cumsum([0] + [len(points) for _, _, points in sections])
    structure = [(n, k, max(p - lost, -1)) for n, (k, p, _) in zip(counts, sections, strict=False)]
    return _file(
        {"points": (np.concatenate([s[2] for s in sections]).astype("f4"), options),
         "structure": (np.array(structure, "i4"), options)}, version,
    )  # fmt: skip


def _file(tables: dict, version: tuple[int, ...] | None) -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w", libver="earliest") as file:
        for name, (data, options) in tables.items():
            file.create_dataset(name, data=data, **options)
        if version is not None:
            group = file.create_group("metadata")
            group.attrs["version"] = np.array(version, "u4")
            group.attrs["cell_family"] = np.array([0], "u4")
    return content.getvalue()


def _tables(rng: random.Random) -> bytes:
    """A sound file whose tables hold what they should not."""
    points = np.concatenate([s[2] for s in SECTIONS]).astype("f8")
    counts = np.cumsum([0] + [len(s[2]) for s in SECTIONS])[:-1]
    structure = np.array([(n, k, p) for n, (k, p, _) in zip(counts, SECTIONS, strict=True)], "i8")
    for _ in range(rng.choice([1, 1, 2, 4])):
        table = rng.choice([points, structure])
        if table.size:
            row, column = rng.randrange(len(table)), rng.randrange(table.shape[1])
            odd = [0, -1, 1, 2, 5, 99, -(2**31), 2**31 - 1, 7.5]
            odd += [1e30, np.nan, np.inf, 1e-300] if table is points else [3, 4, 20, 2**62]
            table[row, column] = rng.choice(odd) if table is points else int(rng.choice(odd))
        if rng.random() < 0.2:
            points = points[: rng.randrange(len(points) + 1)]
        if rng.random() < 0.2:
            structure = structure[: rng.randrange(len(structure) + 1), : rng.choice([3, 3, 2])]
    kind = rng.choice(["f4", "f8", "f8", "i4", "S4"])
    with np.errstate(all="ignore"):
        data = np.nan_to_num(points).astype(kind) if kind == "i4" else points.astype(kind)
    options: dict = rng.choice([{}, {}, {"compression": "gzip"}, {"maxshape": (None, None)}])
    version = rng.choice([(1, 3), (1, 0), (2, 0), (1,), (), None, (1, 1, 1, 1)])
    tables = {"points": (data, options), "structure": (structure, options)}
    if rng.random() < 0.05:
        del tables[rng.choice(list(tables))]
    return _file(tables, version)
