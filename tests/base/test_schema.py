"""Schemas: what fits comes back, what does not is named by its key."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict

import pytest

from cajax.base.errors import StoreError
from cajax.base.schema import Count, Finite, Share, Within, conformed, is_json, salvaged, under


class Point(TypedDict):
    x: Finite
    name: NotRequired[str]


@dataclass(frozen=True)
class Pair:
    a: int
    b: tuple[float, ...] = ()


class Row(NamedTuple):
    share: Share
    kind: Literal["one", "two"] = "one"


GOOD = [
    (3, int, 3), (3, float, 3.0), ("x", str, "x"), (None, int | None, None), (True, bool, True),
    ({"x": 1, "more": []}, Point, {"x": 1.0, "more": []}), ({"a": 1, "b": [2]}, Pair, Pair(1, (2.0,))),
    ([{"share": 1}], tuple[Row, ...], (Row(1.0),)), ({"k": {"a": 1}}, dict[str, Pair], {"k": Pair(1)}),
    ([1, "a"], tuple[int, str], (1, "a")), (2**60, Annotated[int, Within(0)], 2**60), ([object], Any, [object]),
]  # fmt: skip


@pytest.mark.parametrize(("x", "kind", "wanted"), GOOD)
def test_what_fits(x, kind, wanted):
    assert conformed(x, kind, "x") == wanted


BAD = [
    (True, int, "f: a is True, not a whole number"),
    (1.0, int, "f: a is 1.0, not a whole number"),
    ("1", float, "f: a is '1', not a number"),
    (float("nan"), Finite, "f: a is nan, which is not between"),
    (float("inf"), Finite, "f: a is inf, which is not between"),
    (-1, Count, "f: a is -1, which is not between 0 and"),
    (1.5, Share, "f: a is 1.5, which is not between 0 and 1"),
    ([1, [2]], list[float], "f: a[1] is a list of 1, not a number"),
    ({"name": "x"}, Point, "f: a.x is missing"),
    ({"x": 1, "name": 3}, Point, "f: a.name is 3, not text"),
    ({"a": 1, "c": 2}, Pair, "f: a.c is not known here"),
    ({"b": []}, Pair, "f: a.a is missing"),
    ([{"share": 1, "kind": "three"}], list[Row], "f: a[0].kind is 'three', not one of 'one', 'two'"),
    ([1], tuple[int, str], "f: a has 1 entries, not 2"),
    ({"k": None}, dict[str, int], "f: a.k is None, not a whole number"),
    ({"k": [0, "x"]}, dict[str, list[float] | None], "f: a.k[1] is 'x', not a number"),
    ("x" * 1000, int, "…, not a whole number"),
]


@pytest.mark.parametrize(("x", "kind", "said"), BAD)
def test_what_does_not_fit_is_named(x, kind, said):
    with pytest.raises(StoreError) as error:
        conformed(x, kind, under("f: ", "a"))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_what_fits_is_salvaged():
    faults: list[str] = []
    assert salvaged({"x": "no", "name": "yes", "more": 1}, Point, "f: ", faults) == {"name": "yes", "more": 1}
    assert faults == ["f: x is 'no', not a number"]
    assert salvaged([1], Point, "f: ", faults) == {} and faults[1] == "f is a list of 1, not a dictionary"


def test_what_json_can_hold():
    assert is_json(dict[str, list[int | None]]) and is_json(Literal["a"]) and is_json(tuple[float, ...])
    assert not is_json(Pair) and not is_json(list[Pair])
