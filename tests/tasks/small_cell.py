"""A small reconstruction, as a file: a soma, an axon of three branches, two basal and four apical ones and a trunk."""

from pathlib import Path

POINTS = (
    # number, kind (1 soma, 2 axon, 3 basal, 4 apical), x, y, z, radius, parent
    (1, 1, 0, -8, 0, 8, -1),
    (2, 1, 0, 0, 0, 8, 1),
    (3, 1, 0, 8, 0, 8, 2),
    (4, 2, 0, -20, 0, 0.8, 1),
    (5, 2, 0, -60, 0, 0.6, 4),
    (6, 2, 40, -100, 0, 0.4, 5),
    (7, 2, -40, -100, 0, 0.4, 5),
    (8, 3, 60, 10, 0, 0.8, 2),
    (9, 3, -60, 10, 20, 0.8, 2),
    (10, 4, 0, 120, 0, 1.6, 3),
    (11, 4, 50, 200, 0, 0.8, 10),
    (12, 4, -60, 220, 10, 0.8, 10),
    (13, 4, 30, 280, 0, 0.5, 11),
    (14, 4, 90, 270, 0, 0.5, 11),
)


def small_cell(folder: Path) -> str:
    """Write the cell into a folder and return the path of the file."""
    path = folder / "cell.swc"
    path.write_text("\n".join(" ".join(map(str, point)) for point in POINTS) + "\n")
    return str(path)
