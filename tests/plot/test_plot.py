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


def test_a_cell_without_values_is_drawn_plainly_and_thin_branches_are_seen():
    figure, ax = plot.subplots()
    lines = plot.draw_cell(ax, cx.ball_and_stick(), thickest=5.0, thinnest=2.0)
    assert min(lines.get_linewidths()) == 2.0 and max(lines.get_linewidths()) == 5.0
    assert len(lines.get_colors()) == 1
    assert figure.axes == [ax]


def test_a_large_confusion_matrix_has_names_and_no_numbers():
    _, ax = plot.subplots()
    plot.confusion(ax, np.arange(900).reshape(30, 30), [f"class {i}" for i in range(30)], "answered", "right")
    assert len(ax.texts) == 0 and len(ax.patches) == 870
    assert ax.get_xticklabels()[3].get_text() == "class 3" and ax.get_xlabel() == "answered"


def test_thinning_keeps_the_extremes():
    x = np.arange(10_000.0)
    y = np.sin(x)
    y[1234], y[8765] = 9.0, -9.0
    few_x, few_y = plot.thinned(x, y, 100)
    assert len(few_x) <= 160 and few_x[0] == 0.0 and few_x[-1] == 9999.0 and (np.diff(few_x) > 0).all()
    assert few_y.max() == 9.0 and few_y.min() == -9.0
    np.testing.assert_array_equal(plot.thinned(x[:50], y[:50], 100)[1], y[:50])


def test_rasters_have_one_row_per_cell_and_become_a_picture_when_dense():
    _, ax = plot.subplots()
    plot.raster(ax, [np.array([1.0, 2.0]), np.array([]), np.array([3.0])], start=4)
    plot.raster(ax, [np.arange(4000.0)])
    few, many = ax.get_lines()
    assert few.get_ydata().tolist() == [4, 4, 6] and few.get_xdata().tolist() == [1.0, 2.0, 3.0]
    assert not few.get_rasterized() and many.get_rasterized()


def test_bars_write_their_numbers_and_say_when_there_is_none():
    _, ax = plot.subplots()
    plot.bars(ax, {"a": 0.25, "b": float("nan")}, reference=0.5, first=True)
    assert [text.get_text() for text in ax.texts] == ["25.0", "none"]
    assert [bar.get_width() for bar in ax.patches] == [25.0, 0.0]
    assert len({bar.get_facecolor() for bar in ax.patches}) == 2


def test_names_of_short_phases_move_up():
    _, ax = plot.subplots()
    ax.set_xlim(0, 100)
    plot.shade(ax, {"sample": (0, 50), "test": (50, 52), "answer": (52, 54)}, named=True, span=100.0)
    assert [note.get_text() for note in ax.texts] == ["sample", "test", "answer"]
    assert [note.xyann[1] for note in ax.texts] == [2, 2, 12]


def test_axes_become_logarithmic_only_where_it_helps():
    figure, axes = plot.subplots(1, 3)
    for ax, y in zip(axes, ([1.0, 2.0], [0.001, 1.0], [0.0, 100.0]), strict=True):
        ax.plot(y)
        plot.logarithmic(ax)
    assert [ax.get_yscale() for ax in axes] == ["linear", "log", "linear"]
    figure.draw_without_rendering()
    assert "0.01" in [label.get_text() for label in axes[1].get_yticklabels()]


def test_names_lose_the_words_they_share():
    assert plot.brief(["pattern 0", "pattern 1"]) == ("pattern", ["0", "1"])
    assert plot.brief(["a b c", "a b d"]) == ("a b", ["c", "d"])
    assert plot.brief(["same", "same as"]) == ("", ["same", "same as"])
    assert plot.brief(["one word"]) == ("", ["one word"])
    assert plot.brief([]) == ("", [])
