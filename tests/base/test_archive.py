"""Archives: arrays come back as they were; claims are checked before memory is taken, and nothing is unpickled."""

import io
import zipfile

import numpy as np
import pytest

from cajax.base import archive
from cajax.base.archive import amount, read_arrays
from cajax.base.disk import write_arrays

from ..helpers import raises


def packed(path, header=None, body=b"", **members):
    """Write an archive whose array `x` has this header."""
    if header is not None:
        text = (header + "\n").encode()
        members["x.npy"] = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def header(descr="'<f8'", shape="(3,)", order="False"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


@pytest.mark.parametrize(
    "x",
    [
        np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3)), np.float32(0.5), np.zeros((0, 4)),
        np.array("text µ"), np.array(["a", "bcd"]), np.array([True, False]), np.arange(3, dtype=">i4"),
    ],
)  # fmt: skip
def test_arrays_come_back(tmp_path, x):
    found = read_arrays(write_arrays(tmp_path / "x.npz", {"x/y": x}))["x/y"]
    np.testing.assert_array_equal(found, x)
    assert found.dtype == np.asarray(x).dtype.newbyteorder("=") and found.flags.writeable
    np.savez_compressed(tmp_path / "numpy.npz", x=x)
    np.testing.assert_array_equal(read_arrays(tmp_path / "numpy.npz")["x"], x)


LIES = {
    "36 TiB": (header(shape="(5000000000000,)"), b"\0" * 24, "claims 36.4 TiB for float64[5000000000000] but"),
    "shape": (header(shape="(99999999999999999999, 9999999999)"), b"", "far more than there is"),
    "negative": (header(shape="(-1,)"), b"", "asks for more than numbers and text"),
    "object": (header("'|O'"), b"cos\nsystem\n(S'true'\ntR.", "asks for more than numbers and text"),
    "record": (header("[('a', '<f8')]"), b"\0" * 24, "asks for more than numbers and text"),
    "code": (header("__import__('os')"), b"", "asks for more than numbers and text"),
    "type": (header("'<f3'"), b"", "damaged"),
    "text": (header("'<U1'"), b"\xff" * 12, "holds what is not text"),
    "truth": (header("'|b1'"), b"\x02\0\1", "neither true nor false"),
    "short": (header(), b"\0" * 23, "but holds 23 bytes"),
    "long": (header(), b"\0" * 25, "but holds 25 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_headers_that_lie(tmp_path, lie):
    text, body, said = LIES[lie]
    raises(lambda: read_arrays(packed(tmp_path / "x.npz", text, body)), "x.npz", said)


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "LARGE", 2**20)
    raises(
        lambda: read_arrays(packed(tmp_path / "x.npz", header(shape="(500000,)"), bytes(4_000_000))),
        "would unpack from", "to 3.8 MiB: a bomb",
    )  # fmt: skip
    monkeypatch.setattr(archive, "LARGE", 2**30)
    monkeypatch.setattr(archive, "memory", lambda: 1000)
    raises(lambda: read_arrays(tmp_path / "x.npz"), "unpacks to 3.8 MiB, and this machine has 1000 bytes")


def test_what_large_models_are_written_as_is_no_bomb(tmp_path, monkeypatch):
    for module in ("cajax.base.disk", "cajax.base.archive"):
        monkeypatch.setattr(f"{module}.LARGE", 2**20)
    assert read_arrays(write_arrays(tmp_path / "x.npz", {"x": np.zeros(500_000)}))["x"].shape == (500_000,)


def test_members_that_do_not_belong(tmp_path):
    raises(lambda: read_arrays(packed(tmp_path / "x.npz", **{"a.txt": b""})), "'a.txt' is not an array")
    raises(
        lambda: read_arrays(packed(tmp_path / "x.npz", **{"a.npy": b"nothing"})),
        "not an array in NumPy's format",
    )
    with pytest.warns(UserWarning, match="Duplicate"):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as file:
            for _ in range(2):
                file.writestr("x.npy", b"")
    (tmp_path / "x.npz").write_bytes(content.getvalue())
    raises(lambda: read_arrays(tmp_path / "x.npz"), "x.npz")
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_BZIP2) as file:
        file.writestr("x.npy", b"\0" * 100)
    raises(lambda: read_arrays(tmp_path / "x.npz"), "packed in an unknown way")


def test_every_bit_that_flips_is_noticed_or_harmless(tmp_path):
    arrays = {"a": np.arange(5.0), "b": np.array("text")}
    content = write_arrays(tmp_path / "x.npz", arrays).read_bytes()
    for k in range(8 * len(content)):
        spoiled = bytearray(content)
        spoiled[k // 8] ^= 1 << k % 8
        (tmp_path / "y.npz").write_bytes(bytes(spoiled))
        try:
            found = read_arrays(tmp_path / "y.npz")
        except archive.StoreError as error:
            assert "y.npz" in str(error) and "\n" not in str(error)
        else:
            assert all(np.array_equal(x, arrays[name]) for name, x in found.items() if name in arrays)


def test_objects_are_not_written(tmp_path):
    raises(
        lambda: write_arrays(tmp_path / "x.npz", {"x": np.array([object()])}),
        "dtype object",
        "give numbers or text",
    )
    assert not list(tmp_path.iterdir())


def test_amounts_are_words():
    assert [amount(x) for x in (3, 2048, 3 * 2**20, 2**31, 40e12)] == [
        "3 bytes",
        "2.0 KiB",
        "3.0 MiB",
        "2.0 GiB",
        "36.4 TiB",
    ]
