"""Models on disk: one `.npz` of arrays with the structure as JSON beside them; nothing in it is code."""

import dataclasses
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from .. import mech
from ..base.disk import write_whole
from ..base.errors import StoreError
from ..base.names import class_of, name_of
from ..mech import Mechanism
from .model import Model

FORMAT = 3
"""Types go by stable names (`cajax.base.names`) from 3 on."""


@final
class _Writer:
    """Turns nested frozen data into JSON, arrays set aside by number."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}

    def encode(self, x: Any) -> Any:
        if x is None or isinstance(x, bool | int | float | str):
            return x
        if isinstance(x, np.ndarray | np.generic | jax.Array):
            key = f"a{len(self.arrays)}"
            self.arrays[key] = np.asarray(x)
            return {"array": key}
        if isinstance(x, tuple | list):
            return {"tuple": [self.encode(item) for item in x]}
        if isinstance(x, Mapping):
            return {"map": {k: self.encode(v) for k, v in x.items()}}
        name = name_of(type(x))
        if name is not None:
            fields = {f.name: self.encode(getattr(x, f.name)) for f in dataclasses.fields(x)}
            return {"class": name, "fields": fields}
        raise StoreError(
            f"cannot save a {type(x).__name__} ({x!r}); a value graded with along(…, fn) holds code: paint it with"
            " each('cv', values) to save it"
        )


def _class(name: Any) -> type:
    """Return the class of that name: one of ours, or one that the program has defined."""
    cls = class_of(name, _import_library) if isinstance(name, str) else None
    if cls is None or not dataclasses.is_dataclass(cls):
        module, _, own = str(name).rpartition(":")
        where = f" of {module}" if module else ""
        raise StoreError(f"the file uses the mechanism '{own}'{where}; import it before loading")
    return cls


def _import_library(name: str) -> None:
    """Import the library of `mech` that a name such as "hay2011.NaTs2T" belongs to."""
    paper, dot, _ = name.partition(".")
    if dot and ":" not in name and paper in mech.LIBRARY:
        mech.load_library(paper)


def _decode(x: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if not isinstance(x, dict):
        return x
    if "array" in x:
        return arrays[x["array"]]
    if "tuple" in x:
        return tuple(_decode(item, arrays) for item in x["tuple"])
    if "map" in x:
        return {k: _decode(v, arrays) for k, v in x["map"].items()}
    cls = _class(x["class"])
    fields = {k: _decode(v, arrays) for k, v in x["fields"].items()}
    if issubclass(cls, Mechanism):
        return cls(**fields)
    value = object.__new__(cls)
    for name, field in fields.items():
        object.__setattr__(value, name, field)
    return value


def save(path: str | Path, model: Model) -> Path:
    """Write a model to `path` (`.npz` is added when missing), whole or not at all, and return the path.

    Raises `StoreError` when it cannot be written or when the model holds a function.
    """
    if not isinstance(model, Model):
        raise StoreError(f"save takes a Model, not {type(model).__name__}")
    path = Path(path)
    path = path if path.suffix == ".npz" else path.with_name(path.name + ".npz")
    writer, content = _Writer(), io.BytesIO()
    encoded = writer.encode({f.name: getattr(model, f.name) for f in dataclasses.fields(model)})
    text = json.dumps({"cajax": FORMAT, "model": encoded})
    np.savez_compressed(content, allow_pickle=False, structure=np.array(text), **writer.arrays)
    return write_whole(path, content.getvalue(), "choose a folder that exists and is yours")


def load(path: str | Path) -> Model:
    """Read a model that `save` wrote. Raises `StoreError` when it is missing, damaged or of another version."""
    try:
        with np.load(io.BytesIO(Path(path).read_bytes()), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        head = json.loads(str(arrays.pop("structure")))
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}; check the path") from None
    except (AttributeError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        raise StoreError(f"{path} is not a Cajax model, or is damaged") from None
    if not isinstance(head, dict) or head.get("cajax") != FORMAT:
        found = head.get("cajax") if isinstance(head, dict) else None
        raise StoreError(
            f"{path} has model format {found}; this Cajax reads format {FORMAT}: build the model from its recipe again"
            " and put the file's parameters back with model.replace, or run it again"
        )
    try:
        fields = _decode(head["model"], arrays)
        params = {k: jnp.asarray(v) for k, v in fields.pop("params").items()}
        structure = fields.pop("structure")
        return Model(params, **{k: jnp.asarray(v) for k, v in fields.items()}, structure=structure)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise StoreError(f"{path} is damaged: its structure does not hold together") from None
