"""Pieces of HTML: numbers as people write them, and nothing from outside unescaped."""

import numpy as np
import pytest

from cajax.report.html import Picture, duration, page, percent, pictures, table, words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (True, "yes"), (12345, "12,345"), (np.int64(7), "7"), (0.12345678, "0.1235"), (3.0, "3"),
        (float("nan"), "–"), ("<b>", "&lt;b&gt;"), ([1, "a&b"], "1, a&amp;b"), ({"<": 1.5}, "&lt;: 1.5"), ("", ""),
    ],
)  # fmt: skip
def test_values_as_words(value, text):
    assert words(value) == text


def test_shares_and_times():
    assert [percent(x) for x in (0.5, 1, None, "x", float("nan"), True)] == ["50.0 %", "100.0 %", *["–"] * 4]
    assert percent(0.94237, 2) == "94.24 %"
    assert [duration(x) for x in (0.52, 41.3, 750, 5900, 9000, None)] == [
        "0.5 s",
        "41 s",
        "12.5 min",
        "98.3 min",
        "2.5 h",
        "–",
    ]


def test_tables_and_pictures():
    made = table(("a", "b"), [["x", "1"]], "said")
    assert "<th class=n>b</th>" in made and "<td>x</td><td class=n>1</td>" in made and "said</p>" in made
    assert "<thead>" not in table(("", ""), [["x", "1"]])
    assert pictures([]) == ""
    assert "<figure class=wide>" in pictures([Picture("<svg></svg>", "c", wide=True)])


def test_a_page_forbids_everything_from_outside():
    made = page("a < b", "<h1>head</h1>", [("one", "One & two", "<p>body</p>")], "p{color:red}")
    assert "<title>a &lt; b</title>" in made and "default-src 'none'" in made
    assert '<a href="#one">One &amp; two</a>' in made and '<section id="one">' in made
