"""Models on disk: one `.npz` of arrays with the structure as JSON beside them; nothing in it is code."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict, final

import jax
import jax.numpy as jnp
import numpy as np

from .. import mech
from ..base import checks
from ..base.archive import read_arrays
from ..base.digest import data_hash
from ..base.disk import DEPTH, depth, parsed, write_arrays
from ..base.errors import CajaxError, StoreError
from ..base.names import class_by_text, class_of, name_of, namesakes, text_of
from ..base.schema import conformed, fields_of, under
from ..mech import Mechanism
from .checks import allowed
from .model import Model
from .sound import checked
from .structure import Structure

FORMAT = 3
"""Types go by stable names (`cajax.base.names`) from 3 on."""

MOST = 10_000
"""No choice of a mechanism, such as its number of shells, is larger."""


class NotData(StoreError):
    """A model that holds code, which no file does."""


@final
class _Content(TypedDict):
    """What the structure of a file holds."""

    params: dict[str, np.ndarray]
    area: np.ndarray
    res_child: np.ndarray
    res_parent: np.ndarray
    structure: Structure


@final
class _Writer:
    """Turns nested frozen data into JSON, arrays set aside by number."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.texts: dict[str, list[str]] = {}

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
            if text := text_of(type(x)):
                self.texts[name] = list(text)
            fields = {f.name: self.encode(getattr(x, f.name)) for f in dataclasses.fields(x)}
            return {"class": name, "fields": fields}
        raise NotData(
            f"cannot save a {type(x).__name__} ({x!r}); a value graded with along(…, fn) holds code: paint it with"
            " each('cv', values) to save it"
        )


@final
class _Reader:
    """Turns JSON back into frozen data, every value checked against the annotation of its field."""

    def __init__(
        self, arrays: Mapping[str, np.ndarray], classes: Mapping[str, type], texts: Mapping[str, list[str]]
    ) -> None:
        self.arrays = dict(arrays)
        self.classes = classes
        self.texts = texts

    def decode(self, x: Any, key: str) -> Any:
        if x is None or isinstance(x, bool | int | float | str):
            return x
        match x:
            case {"array": str(name)} if len(x) == 1:
                if name not in self.arrays:
                    raise StoreError(f"{key} names the array {name!a}, which is not there or used twice")
                return self.arrays.pop(name)
            case {"tuple": list(items)} if len(x) == 1:
                return tuple(self.decode(item, f"{key}[{k}]") for k, item in enumerate(items))
            case {"map": dict(items)} if len(x) == 1:
                return {k: self.decode(v, under(key, k)) for k, v in items.items()}
            case {"class": str(name), "fields": dict(fields)} if len(x) == 2:
                cls = self._class(name, key)
                return _made(cls, {k: self.decode(v, under(key, k)) for k, v in fields.items()}, key)
        raise StoreError(
            f"{key} is neither a number, text, an array, a tuple, a map nor a class with its fields"
        )

    def _class(self, name: str, key: str) -> type:
        """Return the class of that name: the one given for it, one of ours, or one that the program has defined."""
        cls = self.classes.get(name) or class_of(name, _import_library) or self._defined(name, key)
        if cls is None:
            module, _, own = name.rpartition(":")
            where, near = f" of {module}" if module else "", namesakes(name)
            moved = (
                f"; if it is now '{near[0]}', load(path, classes={{'{name}': <that class>}})" if near else ""
            )
            raise StoreError(f"{key} uses the mechanism '{own}'{where}; import it before loading{moved}")
        if not isinstance(cls, type) or not dataclasses.is_dataclass(cls) or name_of(cls) is None:
            raise StoreError(
                f"{key} uses '{name}', which is no class that a model is made of; give its own class"
            )
        return cls

    def _defined(self, name: str, key: str) -> type | None:
        """Return the class that a text of the file defines, None where it has no text for that name."""
        if name not in self.texts:
            return None
        kind, text = self.texts[name]
        try:
            cls = class_by_text(kind, text)
        except CajaxError as error:
            raise StoreError(f"{key}: the text that defines '{name}': {error}") from None
        if cls is not None and name_of(cls) != name:
            raise StoreError(f"{key}: the text that defines '{name}' is another")
        return cls


def _import_library(name: str) -> None:
    """Import the library of `mech` that a name such as "hay2011.NaTs2T" belongs to."""
    paper, dot, _ = name.partition(".")
    if dot and ":" not in name and paper in mech.LIBRARY:
        mech.load_library(paper)


def _made(cls: Any, fields: dict[str, Any], key: str) -> Any:
    """Return an instance, by its constructor, whose complaints become an error that names the key.

    What is a mechanism in a model is a template: the values are parameters of the model, and the defaults stay those of
    its class.
    """
    if issubclass(cls, Mechanism):
        params = {spec.name for spec in cls.specs()}
        choices = {k: v for k, v in fields.items() if k not in params}
        for name, value in choices.items():
            if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MOST:
                raise StoreError(f"{under(key, name)} is {value}, more than {MOST:,}")
        values = {k: v for k, v in fields.items() if k in params}
        checked = fields_of(choices, cls, key, some=True)
        return allowed(lambda: cls(**values, **checked).plain(), key)
    made = fields_of(fields, cls, key)
    return allowed(lambda: cls(**made), key)


def save(path: str | Path, model: Model) -> Path:
    """Write a model to `path` (`.npz` is added when missing), whole or not at all, and return the path.

    Raises `StoreError` when it cannot be written, or for a model that holds a function or values that make no sense,
    such as NaN: what is saved can be loaded.
    """
    if not isinstance(model, Model):
        raise StoreError(f"save takes a Model, not {type(model).__name__}")
    path = checks.path(path, "save: path", kind=StoreError)
    path = path if path.suffix == ".npz" else path.parent / f"{path.name}.npz"
    writer = _Writer()
    try:
        encoded = writer.encode({f.name: getattr(model, f.name) for f in dataclasses.fields(model)})
    except RecursionError:
        raise StoreError(_DEEP) from None
    try:
        checked(model)
    except StoreError as error:
        raise StoreError(
            f"cannot save this model: {error}; put a value there that model.replace takes"
        ) from None
    if depth(encoded) > DEPTH - 10:
        raise StoreError(_DEEP)
    content = _content_of(encoded, writer.arrays)
    text = json.dumps({"cajax": FORMAT, "model": encoded, "content": content, "texts": writer.texts})
    arrays = {"structure": np.array(text), **writer.arrays}
    return write_arrays(path, arrays, "choose a folder that exists and is yours")


_DEEP = "cannot save this model: a region is nested too deeply; write it with fewer & | ~"


def load(path: str | Path, classes: Mapping[str, type] | None = None) -> Model:
    """Read a model that `save` wrote.

    `classes`: name in the file → class, for mechanisms of your own that have moved since ("old_module:Kv3").

    Raises `StoreError` when the file is missing, damaged or of another version, or uses a class that is not there; it
    names the key. Every size is checked before memory is taken, and nothing in the file is run.
    """
    path = checks.path(path, "load: path", kind=StoreError)
    arrays = read_arrays(path, "a Cajax model")
    text = arrays.pop("structure", None)
    if text is None or text.dtype.kind != "U" or text.ndim:
        raise StoreError(f"{path} is not a Cajax model; give a file that cajax.save wrote")
    head = parsed(text.item(), f"{path}: structure")
    if not isinstance(head, dict) or type(head.get("cajax")) is not int or head["cajax"] != FORMAT:
        found = head.get("cajax") if isinstance(head, dict) else None
        raise StoreError(
            f"{path} has model format {found!a:.40}; this Cajax reads format {FORMAT}: build the model from its recipe"
            " again and put the file's parameters back with model.replace, or run it again"
        )
    try:
        model = _model(head.get("model"), _Reader(arrays, classes or {}, _texts(head.get("texts", {}))))
        # Files of the first versions of this format have none.
        if head.get("content", known := _content_of(head["model"], arrays)) != known:
            raise StoreError("its content is not what was saved")
        return model
    except StoreError as error:
        cure = "" if "import it" in str(error) else "; the file was changed or damaged: save the model again"
        raise StoreError(f"{path}: {error}{cure}") from None


def _texts(found: Any) -> dict[str, list[str]]:
    """Return name → (kind, text) of the classes that texts of the file define; files without such have none."""
    match found:
        case dict() if all(
            isinstance(x, list) and len(x) == 2 and all(isinstance(y, str) for y in x) for x in found.values()
        ):
            return found
    raise StoreError("texts is no table of classes with the text that defines each")


def _content_of(encoded: Any, arrays: Mapping[str, np.ndarray]) -> str:
    """Return a hash of all that decides a model, which tells a changed file that still makes sense."""
    return data_hash(np.array(json.dumps(encoded)), *(arrays[name] for name in sorted(arrays)))


def _model(data: Any, reader: _Reader) -> Model:
    decoded = reader.decode(data, "")
    found = conformed(decoded, _Content, "model")
    if reader.arrays:
        raise StoreError(f"the array {min(reader.arrays)!a} belongs to nothing")
    params = {k: _floating(v, f"params.{k}") for k, v in found["params"].items()}
    geometry = {name: _floating(found[name], name) for name in ("area", "res_child", "res_parent")}
    return checked(Model(params, **geometry, structure=found["structure"]))


def _floating(x: np.ndarray, key: str) -> jax.Array:
    if x.dtype.kind != "f":
        raise StoreError(f"{key} has type {x.dtype}, not floating point")
    return jnp.asarray(x)
