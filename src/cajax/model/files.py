"""Models on disk: one `.npz` of arrays with the structure as JSON beside them; nothing in it is code."""

import dataclasses
import importlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..base.errors import StoreError
from ..mech import Mechanism
from .model import Model

FORMAT = 2


class _Writer:
    """Turns nested frozen data into JSON, arrays set aside by number."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}

    def encode(self, x: Any) -> Any:
        if x is None or isinstance(x, bool | int | float | str):
            return x
        if (
            isinstance(x, np.ndarray | np.generic)
            or hasattr(x, "__jax_array__")
            or isinstance(x, jnp.ndarray)
        ):
            key = f"a{len(self.arrays)}"
            self.arrays[key] = np.asarray(x)
            return {"array": key}
        if isinstance(x, tuple | list):
            return {"tuple": [self.encode(item) for item in x]}
        if isinstance(x, Mapping):
            return {"map": {k: self.encode(v) for k, v in x.items()}}
        if dataclasses.is_dataclass(x) and not isinstance(x, type):
            fields = {f.name: self.encode(getattr(x, f.name)) for f in dataclasses.fields(x)}
            return {"class": f"{type(x).__module__}:{type(x).__qualname__}", "fields": fields}
        raise StoreError(
            f"cannot save a {type(x).__name__} ({x!r}); a value graded with along(…, fn) holds code: paint it with"
            " each('cv', values) to save it"
        )


def _mechanisms(base: type = Mechanism) -> dict[str, type]:
    found: dict[str, type] = {}
    for cls in base.__subclasses__():
        found[f"{cls.__module__}:{cls.__qualname__}"] = cls
        found.update(_mechanisms(cls))
    return found


def _class(name: str) -> type:
    """Return the class of that name: one of ours, or a mechanism that the program has defined."""
    module, _, qualname = name.partition(":")
    known = _mechanisms()
    if name in known:
        return known[name]
    package = __name__.split(".")[0]
    if module == package or module.startswith(f"{package}."):
        cls = getattr(importlib.import_module(module), qualname, None)
        if isinstance(cls, type) and dataclasses.is_dataclass(cls):
            return cls
    raise StoreError(f"the file uses the mechanism '{qualname}' of {module}; import it before loading")


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
    made = object.__new__(cls)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made


def save(path: str | Path, model: Model) -> Path:
    """Write a model to `path` (`.npz` is added when missing), whole or not at all, and return the path.

    Raises `StoreError` when it cannot be written or when the model holds a function.
    """
    if not isinstance(model, Model):
        raise StoreError(f"save takes a Model, not {type(model).__name__}")
    path = Path(path)
    path = path if path.suffix == ".npz" else path.with_name(path.name + ".npz")
    writer = _Writer()
    content = writer.encode({f.name: getattr(model, f.name) for f in dataclasses.fields(model)})
    text = json.dumps({"cajax": FORMAT, "model": content})
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, structure=np.array(text), **writer.arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError(f"cannot write {path}: {error.strerror}") from None
    return path


def load(path: str | Path) -> Model:
    """Read a model that `save` wrote. Raises `StoreError` when it is missing, damaged or of another version."""
    try:
        with np.load(io.BytesIO(Path(path).read_bytes()), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        head = json.loads(str(arrays.pop("structure")))
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}; check the path") from None
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile):
        raise StoreError(f"{path} is not a Cajax model, or is damaged") from None
    if head.get("cajax") != FORMAT:
        raise StoreError(f"{path} has model format {head.get('cajax')}; this Cajax reads format {FORMAT}")
    fields = _decode(head["model"], arrays)
    params = {k: jnp.asarray(v) for k, v in fields.pop("params").items()}
    structure = fields.pop("structure")
    return Model(params, **{k: jnp.asarray(v) for k, v in fields.items()}, structure=structure)
