"""Spoiled files: bytes that flip, numbers that become huge, files that end early. Nothing but a `CajaxError` comes out.

python tests/fitting/recordings/test_fuzz.py SEED COUNT spoils as many files of each format and prints what happened.
"""

import random
import resource
import struct
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import cajax as cx
from cajax.fitting.recordings import read_imaging, read_recording

FORMATS = ("nwb", "abf", "abf1", "ibw", "csv", "npz", "imaging")
NEEDS = {"nwb": "pynwb", "abf": "pyabf", "abf1": "pyabf", "ibw": "igor2"}
HUGE = (b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\0\0\0\x80", b"\0\0\0\0", b"\x01\0\0\0", b"\xff\xff\0\0")


def mutant(content: bytes, chance: random.Random) -> bytes:
    """Return a spoiled copy: the header is spoiled more often than the samples."""
    found = bytearray(content)
    how = chance.randrange(6)
    reach = len(found) if chance.random() < 0.4 else min(len(found), 6200)
    if how == 0:
        return bytes(found[: chance.randrange(len(found))])
    if how == 1:
        at = chance.randrange(max(1, reach - 4))
        found[at : at + 4] = chance.choice(HUGE)
    elif how == 2:
        at = chance.randrange(max(1, reach - 8))
        found[at : at + 8] = struct.pack("<d", chance.choice((np.nan, np.inf, -1.0, 1e300, 1e-300, 0.0)))
    elif how == 3:
        a, b = sorted(chance.randrange(len(found) + 1) for _ in range(2))
        found[a : min(b, a + 500)] = b""
    else:
        for _ in range(chance.choice((1, 3, 20, 200))):
            found[chance.randrange(reach)] = chance.randrange(256)
    return bytes(found)


def sources(shared: Path, folder: Path) -> dict[str, list[Path]]:
    """Real files of each format; text and archives are written from one of them."""
    data = shared / "recordings"
    sweep = np.load(next(iter(sorted((shared / "ephys").glob("*.npz")))))
    v, i = sweep["v_mV"][::50], sweep["i_uA"][::50] * 1e3
    rows = [f"{k:g},{a:.4f},{b:.4f}" for k, (a, b) in enumerate(zip(v, i, strict=True))]
    (folder / "cell.csv").write_text("t_ms,v_mV,i_nA\n" + "\n".join(rows) + "\n")
    np.savez_compressed(folder / "cell.npz", v_mV=v, i_nA=i, dt_ms=1.0, t_on_ms=205.0, t_off_ms=1205.0)
    np.savez(folder / "frames.npz", values=np.stack([v, v]).T, rate_Hz=30.0)
    return {
        "nwb": [data / "nwb" / "99111002.nwb"],
        "abf": sorted((data / "abf").glob("*.abf")),
        "abf1": [version_one(folder)],
        "ibw": sorted((data / "l5pc_idrest").glob("*Ch3*.ibw")),
        "csv": [folder / "cell.csv"],
        "npz": [folder / "cell.npz"],
        "imaging": [folder / "frames.npz"],
    }


def version_one(folder: Path) -> Path:
    path = folder / "one.abf"
    try:
        from pyabf.abfWriter import writeABF1
    except ImportError:
        return path
    writeABF1(np.random.default_rng(0).normal(-60.0, 5.0, (3, 1000)), str(path), 10_000, "mV")
    content = path.read_bytes()
    path.write_bytes(content + bytes(max(0, 6144 - len(content))))
    return path


def attempt(kind: str, source: Path, folder: Path, seed: int) -> str:
    """Spoil a file and read it; return what came out."""
    path = folder / f"spoiled{source.suffix}"
    path.write_bytes(mutant(source.read_bytes(), random.Random(f"{kind} {seed}")))
    read = read_imaging if kind == "imaging" else read_recording
    options = {"current": source.parent / source.name.replace("Ch3", "Ch0")} if kind == "ibw" else {}
    options |= {"channel": "IN 1"} if source.name.startswith("2018") else {}
    options |= {"mode": "current", "units": {"i": "pA"}} if kind == "abf1" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read(path, **options)
        except cx.CajaxError as error:
            assert "\n" not in str(error)
            return type(error).__name__
    return "read"


@pytest.mark.parametrize("kind", FORMATS)
def test_spoiled_files_raise_one_line_or_are_read(kind, shared, tmp_path):
    if kind in NEEDS:
        pytest.importorskip(NEEDS[kind])
    files = sources(shared, tmp_path)[kind]
    found = Counter(
        attempt(kind, files[seed % len(files)], tmp_path, seed) for seed in range(6 if kind == "nwb" else 40)
    )
    assert found["read"] < found.total() and set(found) <= {
        "read",
        "RecordingError",
        "StoreError",
        "UnnamedUnitError",
    }


def main(seed: int, count: int, kinds: list[str]) -> None:
    import tempfile

    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    root = Path(__file__).resolve().parents[3]
    folder = Path(tempfile.mkdtemp())
    files = sources(root.parent / "shared" / "data", folder)
    for kind in kinds:
        found, slowest = Counter(), (0.0, 0)
        for k in range(seed, seed + count):
            start = time.perf_counter()
            try:
                found[attempt(kind, files[kind][k % len(files[kind])], folder, k)] += 1
            except Exception as error:
                found[f"!!! {type(error).__name__} at {k}: {error}"[:200]] += 1
            slowest = max(slowest, (time.perf_counter() - start, k))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(
            f"{kind}: {dict(found)}; slowest {slowest[0]:.2f} s (seed {slowest[1]}); {memory} MiB at most",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:] or list(FORMATS))
