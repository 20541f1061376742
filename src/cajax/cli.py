"""The command line: `cajax train`, `cajax units`, `cajax info`. Errors are one line, never a traceback."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ._errors import CajaxError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
train = typer.Typer(no_args_is_help=True, help="Train a network of biophysical neurons on a task.")
app.add_typer(train, name="train")


def _devices(count: int) -> None:
    """Make `count` CPU devices, so that a batch runs on that many cores; must come before JAX starts."""
    # Kinetics are long loops of arithmetic, a fifth faster in wide registers; XLA itself stays at 256 bits.
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_prefer_vector_width=512")
    import jax

    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "cajax" / "xla"
    jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    jax.config.update("jax_num_cpu_devices", count)


@train.command()
def digits(
    epochs: Annotated[int, typer.Option(min=1, help="Passes through the training images.")] = 48,
    hidden: Annotated[int, typer.Option(min=1, help="Number of hidden cells.")] = 64,
    seed: Annotated[
        int, typer.Option(help="Seed of the cells, the first weights and the order of the images.")
    ] = 0,
    runs: Annotated[Path, typer.Option(help="Folder in which the run gets a new folder.")] = Path("runs"),
    resume: Annotated[
        Path | None, typer.Option(help="Run folder of an interrupted training to go on with.")
    ] = None,
    cores: Annotated[int, typer.Option(min=0, help="CPU cores to use (0: all, at most 8).")] = 0,
) -> None:
    """Learn to read handwritten digits (8 x 8 pixels, 1,797 images) with dendrites."""
    _devices(
        cores
        or min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    )
    from .tasks.digits import Settings
    from .tasks.digits_run import run

    run(Settings(epochs=epochs, hidden=hidden, seed=seed), runs, resume)


@app.command()
def units() -> None:
    """Print the units that every quantity has in Cajax."""
    from rich.console import Console
    from rich.table import Table

    from .units import TABLE

    table = Table("quantity", "unit")
    for quantity, unit in TABLE.items():
        table.add_row(quantity, unit)
    Console().print(table)


@app.command()
def info(
    path: Annotated[Path, typer.Argument(help="A morphology (.swc, .asc, .h5) or a saved model (.npz).")],
) -> None:
    """Say what is in a morphology or model file."""
    from rich.console import Console

    console = Console()
    if path.suffix == ".npz":
        from .files import load
        from .train import Free, unbounded

        model = load(path)
        console.print(model)
        console.print(Free({"*": unbounded()}).table(model))
        return
    from .morph import read_morphology

    morph = read_morphology(path)
    tags = {tag: morph.tags.count(tag) for tag in sorted(set(morph.tags))}
    branches = ", ".join(f"{n} {tag}" for tag, n in tags.items())
    console.print(f"{path.name}: {len(morph.parent)} branches ({branches})")
    console.print(f"length {morph.lengths.sum():.1f} µm, area {morph.areas.sum():.1f} µm²")


def main() -> None:
    """Run the command line; every mistake of the user ends in one line on stderr and exit status 1."""
    try:
        app()
    except CajaxError as error:
        print(f"cajax: {error}", file=sys.stderr)
        sys.exit(1)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("cajax"):
            raise
        print(f"cajax: this needs the package {error.name}; pip install 'cajax[train]'", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("cajax: interrupted", file=sys.stderr)
        sys.exit(130)
