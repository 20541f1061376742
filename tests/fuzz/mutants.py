"""Ways to spoil a file: values of JSON exchanged, arrays of another type or shape, bytes that flip."""

import io
import json
import math
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

ODD = (
    None, True, False, -1, 0, 1, 2, 3, 7, 255, 2**31 - 1, 2**31, 2**63, 2**64, 10**18, 10**30, -(10**30), 0.5, -0.5,
    1e-300, 1e308, math.nan, math.inf, -math.inf, "", "x", "0", "NaN", "μ\u202e\0", "../../etc", "[bold]", "a" * 99_999,
    [], [1], [None], {}, {"a": 1}, {"array": "a0"}, {"class": "HH", "fields": {}}, {"class": "os:system", "fields": {}},
)  # fmt: skip
"""Values that have no business where they are put."""


def nested(depth: int) -> Any:
    """Return lists in lists."""
    x: Any = []
    for _ in range(depth):
        x = [x]
    return x


def places(x: Any) -> list[tuple[Any, Any]]:
    """Return (container, key) of everything within a JSON value."""
    found, todo = [], [x]
    while todo:
        x = todo.pop()
        items = x.items() if isinstance(x, dict) else enumerate(x) if isinstance(x, list) else ()
        for key, value in items:
            found.append((x, key))
            todo.append(value)
    return found


def json_mutant(data: Any, random: random.Random) -> tuple[str, str]:
    """Return the text of a JSON value with one place spoiled, and what was done; `data` is changed."""
    holder = [data]
    container, key = random.choice(places(holder))
    old, how = container[key], random.randrange(9)
    if how <= 3:
        container[key] = random.choice(ODD)
    elif how == 4 and isinstance(old, int | float):
        container[key] = random.choice(
            (old + 1, old - 1, -old, old * 10, str(old), [old], float(old), int(old))
        )
    elif how == 5 and isinstance(container, dict):
        del container[key]
    elif how == 6 and isinstance(container, dict):
        container[random.choice(("x", "", "name", f"{key}_"))] = container.pop(key)
    elif how == 7:
        other, place = random.choice(places(holder))
        container[key] = json.loads(json.dumps(other[place]))
    elif how == 8 and random.random() < 0.1:
        container[key] = "DEEP"
    elif isinstance(old, list) and old:
        container[key] = random.choice((old[1:], old[:-1], old + old[:1], old[::-1], old * 2))
    else:
        container[key] = random.choice(ODD)
    text = json.dumps(holder[0])
    deep = text.replace('"DEEP"', "[" * 5000 + "]" * 5000) if "DEEP" in text else text
    if random.random() < 0.02:
        deep = deep.replace("1", "1" * 5000, 1)
    return (
        deep,
        f"{key!r}: {str(old)[:60]!r} became {str(container.get(key) if isinstance(container, dict) else '')[:60]!r}",
    )


def array_mutant(x: np.ndarray, random: random.Random) -> Any:
    """Return an array of another type, shape or content."""
    kinds = ("<f8", "<f4", "<i8", "<i4", "<u1", "?", "<U3", "<c16", ">f8", ">i8", "<f2")
    how = random.randrange(8)
    if how == 0:
        return x.astype(random.choice(kinds), copy=True)
    if how == 1:
        return random.choice(
            (
                x.ravel()[1:],
                x.ravel()[:-1],
                x.ravel(),
                x[None],
                x.T,
                x.ravel()[:0],
                np.concatenate([x.ravel()] * 2),
            )
        )
    if how == 2:
        return (
            np.asarray(random.choice(ODD[:28]), dtype=object)
            if random.random() < 0.3
            else np.zeros(random.randrange(5))
        )
    if x.size == 0 or x.dtype.kind not in "iuf":
        return np.zeros(3)
    x = x.copy().ravel() if x.ndim else x.copy().reshape(1)
    at = random.randrange(x.size)
    if x.dtype.kind == "f":
        x[at] = random.choice((np.nan, np.inf, -np.inf, -1.0, 0.0, 1e30, -1e30))
    else:
        x[at] = random.choice((-1, 0, x[at] + 1, x[at] - 1, x.size, 10**6, -(10**6), 2**31 - 1))
    if how == 7:
        x = x[::-1]
    return x


def bytes_mutant(content: bytes, random: random.Random) -> bytes:
    """Return bytes with some flipped, cut out, doubled or put in the place of others."""
    data, how = bytearray(content), random.randrange(6)
    if how == 0 or len(data) < 8:
        return bytes(data[: random.randrange(len(data) + 1)])
    start = random.randrange(len(data))
    size = min(random.choice((1, 2, 4, 16, 200)), len(data) - start)
    if how == 1:
        data[start : start + size] = random.randbytes(size)
    elif how == 2:
        del data[start : start + size]
    elif how == 3:
        data[start:start] = data[start : start + size]
    elif how == 4:
        data[start : start + size] = random.choice((b"\xff", b"\0", b"[", b"{", b"9")) * size
    else:  # the end of an archive is its table of contents
        start = max(0, len(data) - random.randrange(1, 400))
        data[start : start + 2] = random.randbytes(2)
    return bytes(data)


def write_npz(path: Path, arrays: dict[str, Any]) -> None:
    """Write arrays, of Python objects too, as a careless program would."""
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    path.write_bytes(content.getvalue())


def lying_header(path: Path, random: random.Random) -> None:
    """Write an archive whose arrays claim more than there is, or unpack to far more than they take."""
    if random.random() < 0.1:
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("a0.npy", "w", force_zip64=True) as file,
        ):
            for _ in range(1200):
                file.write(bytes(2**20))
        return
    shape = random.choice(
        (
            "(5000000000000,)",
            "(-1,)",
            "(2, 3",
            "(99999999999999999999,)",
            "(4, " * 50,
            "()",
            "__import__('os')",
        )
    )
    descr = random.choice(("'<f8'", "'|O'", "'<U999999999'", "[('a', '<f8')]", "'<f3'", "1", "'<M8[s]'"))
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    body = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(random.randrange(64))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a0.npy", body)
        archive.writestr("structure.npy", body)
