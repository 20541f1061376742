"""MNIST, the 70,000 handwritten digits of 28 × 28 pixels: the data and the task at full size."""

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from ..base.errors import StoreError
from .reading import Images, Reading

CHECKED = 2_000
"""So many images of the training set are kept out of training, to follow its progress."""

FILES = {
    "train-images-idx3-ubyte": (60_000, 28, 28),
    "train-labels-idx1-ubyte": (60_000,),
    "t10k-images-idx3-ubyte": (10_000, 28, 28),
    "t10k-labels-idx1-ubyte": (10_000,),
}


@final
@dataclass(frozen=True)
class Mnist(Reading):
    """Read MNIST; `data` is a folder with the four idx files (plain or .gz), or "" to let scikit-learn get them."""

    batch: int = 64
    epochs: int = 6
    dt: float = 0.125
    input_weight: float = 2.4e-5
    turn: float = 0.05
    shift: float = 0.3
    noise: float = 0.0
    data: str = ""

    name = "mnist"
    title = "pyramidal cells learn to read handwritten digits of 28 x 28 pixels"
    published = "94.2 % of 10,000 (Deistler et al., Nature Methods 2025)"
    side = 28

    def images(self) -> Images:
        """Return 58,000 training images, the 2,000 checks drawn from among them, and the 10,000 test images.

        Source: LeCun, Cortes & Burges; from OpenML (data set 554) unless `data` names a folder.
        """
        x, y, test, answers = read_folder(Path(self.data)) if self.data else from_openml()
        # Drawn, since the images are not in random order: the last ones are much easier than most.
        checks, train = np.split(np.random.default_rng(0).permutation(len(x)), [CHECKED])
        return Images((x[train], y[train]), (x[checks], y[checks]), (test, answers))


def _pixels(raw: np.ndarray) -> np.ndarray:
    return raw.astype(np.float32) / 255.0


def read_folder(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Read the four idx files; `StoreError` names the one that is missing, cut short or of another kind."""
    if not folder.is_dir():
        raise StoreError(
            f"there is no folder {folder}; give one with the four idx files of MNIST (--data DIR)"
        )
    x, y, test, answers = (read_idx(folder, name, shape) for name, shape in FILES.items())
    return _pixels(x), y.astype(np.int32), _pixels(test), answers.astype(np.int32)


def read_idx(folder: Path, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the bytes of one idx file as an array of `shape`."""
    places = [folder / name, folder / f"{name}.gz", folder / name.replace("-idx", ".idx")]
    path = next((p for p in places if p.is_file()), None)
    if path is None:
        raise StoreError(f"{folder} has no {name} or {name}.gz; MNIST is four files, {', '.join(FILES)}")
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise StoreError(f"{path} is damaged or cut short ({error}); get it again") from error
    head = 4 * (1 + len(shape))
    wanted = [0x0800 + len(shape), *shape]
    found = np.frombuffer(raw[:head], ">i4") if len(raw) >= head else np.array([])
    if list(found) != wanted:
        raise StoreError(f"{path} is not the idx file of {name}: its head is {found.tolist()}, not {wanted}")
    if len(raw) != head + int(np.prod(shape)):
        raise StoreError(
            f"{path} is cut short: {len(raw)} bytes instead of {head + int(np.prod(shape))}; get it again"
        )
    return np.frombuffer(raw, np.uint8, offset=head).reshape(shape)


def from_openml() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Fetch MNIST from OpenML, once: scikit-learn keeps it in its data folder."""
    from urllib.error import URLError

    from sklearn.datasets import fetch_openml

    try:
        x, y = fetch_openml("mnist_784", version=1, as_frame=False, return_X_y=True)
    except (URLError, OSError, ConnectionError) as error:
        raise StoreError(
            f"cannot fetch MNIST from OpenML ({error}); with the four idx files in a folder, pass --data FOLDER"
        ) from error
    images, labels = _pixels(x.reshape(-1, 28, 28)), y.astype(np.int32)
    return images[:60_000], labels[:60_000], images[60_000:], labels[60_000:]
