"""What was learned: changes land on the right branches of the right cells."""

import numpy as np
import pytest

from cajax.plot import theme
from cajax.report import learned

from .lines import Lines, trained


def test_changes_are_told_per_control_volume():
    task = Lines()
    before, after = trained(task)
    changes = learned.local_changes(task.free().choices(after), before, after)
    assert changes.keys() == {("hidden", "hh.gna"), ("hidden", "hh.gk")}
    layout = after.structure.layout("hidden")
    first = layout.groups[0].start
    gna = changes["hidden", "hh.gna"]
    assert np.isnan(gna[:first]).all() and np.isnan(changes["hidden", "hh.gk"][:first]).all()
    for group in layout.groups:
        for lane in range(group.lanes):
            branches = learned.of_branches(group, lane, gna)
            assert len(branches) == len(group.cvs.branch_parent)
            np.testing.assert_allclose(branches, 1.0 if group.first_cell + lane == 0 else -1.0, rtol=1e-6)
            np.testing.assert_allclose(
                learned.of_branches(group, lane, changes["hidden", "hh.gk"]), 0.0, atol=1e-6
            )


def test_branches_without_trained_values_have_none():
    task = Lines()
    model = trained(task)[1]
    group = model.structure.layout("hidden").groups[0]
    values = np.full(model.structure.size, np.nan)
    values[group.flat(np.array([0]))[0]] = 3.0
    found = learned.of_branches(group, 0, values)
    assert found[0] == 3.0 and np.isnan(found[1:]).all()


def test_untrained_and_point_membranes_draw_no_cells():
    models = trained(Lines())
    with theme():
        assert learned.morphologies(Lines(membranes=False), *models) == []
        assert len(learned.morphologies(Lines(), *models)) == 2


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("-10.2 % … +3.9 %", "−10.2 % … +3.9 %"),
        ("1.87e-06", "1.87·10<sup>−6</sup>"),
        ("> 3e+05", "&gt; 3·10<sup>5</sup>"),
    ],
)
def test_numbers_have_real_signs_and_powers(text, html):
    assert learned._signs(text) == html


def test_numbers_of_a_spread_have_three_digits():
    assert learned._three("0.1078 … 0.12472 … 1234.5") == "0.108 … 0.125 … 1.23e+03"
    assert learned._three("none") == "none"
