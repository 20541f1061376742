"""Pictures: that they are drawn, and that the drawing says what the numbers say."""

import numpy as np

import cajax as cx
from cajax import plot


def test_a_cell_is_drawn_with_one_colour_per_branch(tmp_path):
    morph = cx.pyramidal(0, tips=6, stems=2)
    figure, ax = plot.subplots()
    values = np.arange(len(morph.parent), dtype=float)
    lines = plot.draw_cell(ax, morph, values)
    assert len(lines.get_segments()) == len(morph.xyz) - len(morph.parent)
    assert set(lines.get_array()) == set(values)
    plot.save(figure, tmp_path / "cell.png")
    assert (tmp_path / "cell.png").read_bytes()[:4] == b"\x89PNG"
    assert [p.name for p in tmp_path.iterdir()] == ["cell.png"]


def test_curves_confusion_digits_and_traces():
    figure, axes = plot.subplots(1, 4)
    plot.curves(axes[0], np.arange(3.0), {"a": np.arange(3.0), "b": np.arange(2.0)}, "x", "y")
    assert [len(line.get_xdata()) for line in axes[0].get_lines()] == [3, 2]
    plot.confusion(axes[1], np.array([[5, 1], [0, 4]]))
    assert sorted(text.get_text() for text in axes[1].texts) == ["1", "4", "5"]
    plot.digits([axes[2]], np.zeros((1, 8, 8)), np.array([3]), np.array([8]))
    assert axes[2].get_title() == "3 read as 8"
    plot.traces(axes[3], np.arange(5.0), np.zeros((5, 2)), labels=["a", "b"], highlight=1)
    assert axes[3].get_lines()[1].get_linewidth() > axes[3].get_lines()[0].get_linewidth()
    assert figure.axes == list(axes)
