"""Receptive fields: excitation counts up, inhibition down, summed over the synapses of a cell."""

import numpy as np

import cajax as cx
from cajax.mech import Graded, Leak
from cajax.report.fields import fields, side_of

from .lines import Lines


def test_excitation_less_inhibition_over_all_sites():
    point = cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", leak=Leak())
    stick = cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak())
    net = cx.Network().add("pixels", point, 9).add("cells", stick, 2).add("next", point, 2)
    w = np.full((9, 2, 2), 1e-3)
    net = net.connect("pixels", "cells", Graded(e=0.0), weight=w, at=cx.every_cv("all"), name="exc")
    net = net.connect("pixels", "cells", Graded(e=-80.0), weight=w, at=cx.every_cv("all"), name="inh")
    net = net.connect("cells", "next", Graded())
    before = net.discretize(cx.PerBranch(1))
    more, less = w.copy(), w.copy()
    more[4, 1] += [1e-3, 2e-3]
    less[7, 0, 0] += 5e-3
    after = before.replace({"pixels->cells.exc.weight": more, "pixels->cells.inh.weight": less})
    found = fields(before, after, 9)
    assert found.keys() == {"cells"} and found["cells"].shape == (9, 2)
    expected = np.zeros((9, 2))
    expected[4, 1], expected[7, 0] = 3e-3, -5e-3
    np.testing.assert_allclose(found["cells"], expected, atol=1e-9)


def test_sparse_projections_count_for_their_cells():
    point = cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", leak=Leak())
    stick = cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak())
    other = cx.Cell(cx.pyramidal(0, tips=4, stems=2)).paint("all", leak=Leak())
    net = cx.Network().add("pixels", point, 9).add("cells", [stick, other, stick])
    pairs = cx.edges([[8, 2], [0, 0], [3, 1], [0, 2]])
    net = net.connect("pixels", "cells", Graded(), rule=pairs, weight=cx.each("edge", np.full(4, 1e-3)))
    before = net.discretize(cx.PerBranch(1))
    after = before.replace({"pixels->cells.graded.weight": 1e-3 * np.array([2.0, 3.0, 4.0, 5.0])})
    expected = np.zeros((9, 3))
    expected[8, 2], expected[0, 0], expected[3, 1], expected[0, 2] = 1e-3, 2e-3, 3e-3, 4e-3
    np.testing.assert_allclose(fields(before, after, 9)["cells"], expected, atol=1e-9)


def test_a_layer_of_as_many_cells_as_pixels_is_not_the_receptors():
    point = cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", leak=Leak())
    net = cx.Network().add("pixels", point, 9).add("cells", point, 9).add("next", point, 2)
    net = net.connect("pixels", "cells", Graded(), weight=np.full((9, 9), 1e-3))
    net = net.connect("cells", "next", Graded(), weight=np.full((9, 2), 1e-3))
    model = net.discretize(cx.PerBranch(1))
    assert fields(model, model, 9).keys() == {"cells"}


def test_images_are_squares():
    task = Lines()
    stage, batch = task.tests()["all lines"]
    assert side_of(task, (stage, batch)) == 4
    for images in (np.zeros((5, 16)), np.zeros((5, 3, 4)), np.zeros((5, 2, 2))):
        assert side_of(task, (stage, batch._replace(inputs={"image": images}))) == 0
    assert side_of(task, (stage, batch._replace(inputs={"other": np.zeros((5, 16))}))) == 0
