"""`cajax convert`: a .mod file as a Python module, a saved or trained model as a folder for NEURON."""

import keyword
from pathlib import Path
from typing import Annotated

import typer

from ..base.disk import open_file, write_whole
from ..base.errors import ParameterError, StoreError
from ..base.names import text_of

_SCRIPTS = (".py", ".hoc", ".ses", ".nrn")
_WANTED = "give a .mod file, a saved model (.npz) or a run folder"

Source = Annotated[
    Path, typer.Argument(metavar="IN", help="A .mod file, a saved model (.npz), or a run folder.")
]
Target = Annotated[
    Path | None,
    typer.Argument(metavar="OUT", help="A new Python file for a .mod file; a new folder for a model."),
]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse what is not taken over exactly.")]


def add_convert(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def convert(source: Source, target: Target = None, strict: Strict = False) -> None:
        """Bring a mechanism from NEURON, or a model to NEURON, and say what became of it.

        Without OUT a .mod file is only read, and the report printed.
        """
        if source.suffix == ".mod":
            _mechanism(source, target, strict)
        elif source.suffix == ".npz" or source.is_dir():
            _model(source, target, strict)
        elif source.suffix in _SCRIPTS:
            raise ParameterError(
                f"{source} is a program, and convert runs none; build the model in Python's NEURON and call"
                " cajax.from_neuron() there"
            )
        else:
            raise ParameterError(f"cannot convert {source}; {_WANTED}")


def _mechanism(source: Path, target: Path | None, strict: bool) -> None:
    """Read a .mod file, print what became of it, and write the class as a module."""
    from ..formats import read_mod

    if target is not None:
        _require_new(target, ".py", "a Python file such as kv.py")
    cls = read_mod(source, strict=strict)
    print(f"{cls.__name__}: {', '.join(b.__name__ for b in cls.__mro__[1:2])}")
    for spec in cls.specs():
        print(f"    {spec.name} = {spec.default:g} {spec.unit}")
    print(cls.report)
    if target is not None:
        _, text = text_of(cls) or ("", "")
        name = f"{cls.__name__}_" if keyword.iskeyword(cls.__name__) else cls.__name__
        lines = ",\n".join(f"    {line!r}" for line in text.splitlines())
        about = f"The mechanism {name} of {source.name}: from {target.stem} import {name}"
        module = (
            f"{about!r}\n\n"
            "from cajax.formats.mod import class_of_text\n\n"
            f"TEXT = (\n{lines},\n)\n{name} = class_of_text('\\n'.join(TEXT) + '\\n')\n"
        )
        write_whole(target, module.encode(), "choose a place where you may write")
        print(f"written: {target}")


def _model(source: Path, target: Path | None, strict: bool) -> None:
    """Write a model to a folder for NEURON, and print what became of it."""
    from ..formats import to_neuron
    from ..model.files import load
    from ..train.store import require_run

    if target is None:
        raise ParameterError(f"say where to: cajax convert {source} FOLDER")
    path = source
    if source.is_dir():
        require_run(source)
        path = source / "model.npz"
    open_file(path).close()
    found = to_neuron(load(path), target, strict=strict)
    print(found.report)
    proof = found.why if found.difference is None else f"NEURON differs by {found.difference:.2g} mV at most"
    print(f"written: {target} ({proof})")


def _require_new(target: Path, suffix: str, what: str) -> None:
    if target.suffix != suffix:
        raise ParameterError(f"{target} is no place for a mechanism; give {what}")
    if target.exists():
        raise StoreError(f"{target} exists already, and nothing is overwritten; choose another name")
