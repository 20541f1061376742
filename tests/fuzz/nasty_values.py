"""Values that are wrong nearly everywhere, by name; made anew at every call, for some are used up."""

import datetime
import fractions
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import cajax as cx
from cajax.mech import ExpSyn, Leak


class Rude:
    """An object whose text and length fail."""

    def __repr__(self) -> str:
        raise RuntimeError("no text")

    def __len__(self) -> int:
        raise RuntimeError("no length")


class ManyLines:
    """An object whose text has many lines."""

    def __repr__(self) -> str:
        return "line\n" * 100


def _nested(depth: int) -> list[Any]:
    x: list[Any] = [1.0]
    for _ in range(depth):
        x = [x]
    return x


def nasty_values() -> dict[str, Any]:
    """Return the values by the text that makes them, about."""
    cell = cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", leak=Leak())
    numbers = {
        repr(x): x
        for x in (
            0, -1, 3, 2**31, 2**63, 10**12, 1.5, -0.0, 1e30, -1e308, 1e-320, float("nan"), float("inf"), -float("inf"),
            1j, True, False, None, np.float32(3), np.int64(-5), np.bool_(True), np.float64("nan"),
            np.datetime64("2020-01-01"), np.timedelta64(3), fractions.Fraction(1, 3), datetime.timedelta(1),
        )
    }  # fmt: skip
    texts = {
        repr(x): x
        for x in (
            "", "x", "3", "3 ms", "-1 mV", "NaN", "1e400 mV", "5 furlongs", "٣ ms", "1_0 ms", "soma", "a", "a->b",
            "a\nb", "a.b", "💥", "\0", "1 km999999", b"x",
        )
    }  # fmt: skip
    collections = {
        repr(x)[:40]: x
        for x in (
            [],
            [1, 2],
            [[1], [1, 2]],
            ["a", 3.0],
            (),
            (1.0, "b"),
            {},
            {"v": 3},
            {3: "v"},
            set(),
            range(3),
            [None],
        )
    }
    arrays = {
        "zeros(0)": np.zeros(0), "zeros((2, 3))": np.zeros((2, 3)), "array([nan])": np.array([np.nan]),
        "array(['a'])": np.array(["a"]), "array([None])": np.array([None]), "array([1j])": np.array([1j]),
        "array([True])": np.array([True]), "masked": np.ma.array([1.0, 2.0], mask=[True, False]),
        "jnp.zeros(3)": jnp.zeros(3), "jnp.nan": jnp.asarray(np.nan), "jnp.int32(7)": jnp.int32(7),
        "key": jax.random.key(0), "keys": jax.random.split(jax.random.key(0)), "float16": np.float16(1),
    }  # fmt: skip
    things = {
        "10**400": 10**400, "-(10**5000)": -(10**5000), "object()": object(), "Rude()": Rude(),
        "ManyLines()": ManyLines(),
        "generator": (x for x in "ab"), "lambda": lambda *x: x, "Leak": Leak, "Leak()": Leak(),
        "Cell": cx.Cell,
        "cell": cell, "model": cell.discretize(cx.PerBranch(1)), "network": cx.Network().add("a", cell),
        "ExpSyn()": ExpSyn(),
        "Path": pathlib.Path("nowhere"), "long text": "x" * 10_000, "nested": _nested(500), "IClamp": cx.IClamp,
        "each": cx.each("cv", 1.0), "along": cx.along(cx.path_distance(), lambda x: x * np.nan), "root()": cx.root(),
        "tag": cx.tag("soma"), "module": np,
    }  # fmt: skip
    return {**numbers, **texts, **collections, **arrays, **things}
