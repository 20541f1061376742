"""Pictures for pages: their colours are the page's, their names their own, and nothing in them refers outside."""

import re

import numpy as np
import pytest

from cajax import plot
from cajax.plot.theme import DARK, LIGHT


def drawn(name="one", alt="a line & <dots>"):
    with plot.theme():
        figure, (left, right) = plot.subplots(1, 2, figsize=(4.0, 2.0))
        left.plot(np.arange(3.0), "o-", label="line")
        left.legend()
        left.set_title("words")
        plot.heat(right, np.eye(3), ["a", "b", "c"], plot.heat_map(signed=True), (-1.0, 1.0))
        return plot.svg(figure, name, alt)


def test_colours_are_variables_of_the_page():
    picture = drawn()
    assert "var(--c0)" in picture and "var(--fg)" in picture and "var(--muted)" in picture
    assert not re.search(r"#0101[0-9a-f]{2}\b", picture)
    assert LIGHT.keys() == DARK.keys()


def test_a_picture_is_one_element_with_words_and_no_outside():
    picture = drawn()
    assert picture.startswith("<svg ") and picture.rstrip().endswith("</svg>")
    assert 'aria-label="a line &amp; &lt;dots&gt;"' in picture and "max-width:384px" in picture
    assert ">words</text>" in picture
    assert not re.search(r"https?:|<style|<metadata|xlink", picture)


def test_two_pictures_share_no_identifier():
    def names(picture):
        return set(re.findall(r'\bid="([^"]+)"', picture))

    one, two = names(drawn("one")), names(drawn("two"))
    assert one and not one & two
    used = {a or b for a, b in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', drawn("one"))}
    assert used == one


def test_the_same_figure_gives_the_same_picture():
    assert drawn() == drawn()


def test_the_style_ends_with_its_block():
    from matplotlib import rcParams

    before = rcParams["text.color"], rcParams["font.size"]
    with plot.theme():
        assert rcParams["text.color"] == plot.ink("fg")
    assert (rcParams["text.color"], rcParams["font.size"]) == before
    with pytest.raises(KeyError):
        plot.ink("no such colour")


def test_colour_maps_leave_out_what_is_not_known_and_show_the_ground_for_nothing():
    assert plot.diverging()(np.nan) != plot.diverging()(0.5)
    assert plot.heat_map()(0.0)[3] == 0.0 and plot.heat_map()(1.0)[3] == 1.0
    signed = plot.heat_map(signed=True)
    assert signed(0.0)[3] == signed(1.0)[3] == 1.0 and signed(0.5)[3] < 0.05
