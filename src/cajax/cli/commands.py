"""The command line: `cajax train`, `report`, `runs`, `units`, `info`. Errors are one line, never a traceback."""

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ..base.errors import CajaxError, ParameterError

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


Seed = Annotated[int, typer.Option(help="Seed of all that is drawn.")]
Runs = Annotated[Path, typer.Option(help="Where the run gets its folder.")]
Resume = Annotated[Path | None, typer.Option(help="Run folder to go on with.")]
Cores = Annotated[int, typer.Option(min=0, help="CPU cores (0: all, at most 8).")]
Controls = Annotated[
    bool, typer.Option("--no-controls", help="Leave out controls made of neurons.", show_default=False)
]


def _available() -> int:
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        cores = os.cpu_count() or 1
    return min(8, cores)


def _train(
    name: str,
    settings: dict[str, Any],
    runs: Path,
    resume: Path | None,
    cores: int,
    controls: bool,
    further: Callable[[Path], None] | None = None,
) -> None:
    """Run a task from start to report; shared by all tasks. `further` is done last, in the folder of the run."""
    _devices(cores or _available())
    from .. import tasks
    from ..report import report as write_report

    if resume is None:
        folder = tasks.run(tasks.TASKS[name](**settings), runs, controls)
    else:
        tasks.require_task(resume, name)
        folder = tasks.resume(resume, controls)
    if folder is not None:
        if further is not None:
            further(folder)
        print(f"report: {write_report(folder)}")


@train.command()
def digits(
    epochs: Annotated[int, typer.Option(min=1, help="Passes through the images.")] = 48,
    hidden: Annotated[int, typer.Option(min=1, help="Number of hidden cells.")] = 64,
    seed: Seed = 0,
    runs: Runs = Path("runs"),
    resume: Resume = None,
    cores: Cores = 0,
    no_controls: Controls = False,
) -> None:
    """Read handwritten digits of 8 x 8 pixels (1,797 images that come with scikit-learn)."""
    _train("digits", {"epochs": epochs, "hidden": hidden, "seed": seed}, runs, resume, cores, not no_controls)


@train.command()
def mnist(
    data: Annotated[str, typer.Option(help="Folder with the idx files (else they are fetched).")] = "",
    epochs: Annotated[int, typer.Option(min=1, help="Passes through the images.")] = 6,
    hidden: Annotated[int, typer.Option(min=1, help="Number of hidden cells.")] = 64,
    seed: Seed = 0,
    runs: Runs = Path("runs"),
    resume: Resume = None,
    cores: Cores = 0,
    no_controls: Controls = False,
) -> None:
    """Read the 70,000 handwritten digits of MNIST (28 x 28 pixels)."""
    settings = {"data": data, "epochs": epochs, "hidden": hidden, "seed": seed}
    _train("mnist", settings, runs, resume, cores, not no_controls)


SEEDED = {
    "match": "Hold a stimulus in memory through a delay; say whether the next one is the same.",
    "evidence": "Integrate noisy evidence for half a second; answer at its end.",
    "dendrite": "Teach ten single neurons a decision that is not linearly separable.",
}
"""Tasks of which the command line sets nothing but the seed, and what they are."""


def _add_seeded(name: str, about: str) -> None:
    @train.command(name, help=about)
    def command(
        seed: Seed = 0,
        runs: Runs = Path("runs"),
        resume: Resume = None,
        cores: Cores = 0,
        no_controls: Controls = False,
    ) -> None:
        _train(name, {"seed": seed}, runs, resume, cores, not no_controls)


for _name, _about in SEEDED.items():
    _add_seeded(_name, _about)


@train.command()
def recall(
    capacity: Annotated[
        bool, typer.Option("--capacity", help="Then measure how many patterns networks of three sizes store.")
    ] = False,
    seed: Seed = 0,
    runs: Runs = Path("runs"),
    resume: Resume = None,
    cores: Cores = 0,
    no_controls: Controls = False,
) -> None:
    """Store patterns; retrieve each from its cue, whole or corrupted, after a delay."""

    def measure(folder: Path) -> None:
        from ..tasks.capacity import measured

        measured(folder, print)

    _train("recall", {"seed": seed}, runs, resume, cores, not no_controls, measure if capacity else None)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="A run folder that 'cajax train' made.")],
) -> None:
    """Write one page about a run, with every picture in it: RUN/report.html."""
    _devices(_available())
    from ..report import report as write_report

    print(write_report(run))


@app.command()
def runs(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(help="The folder with the runs (default: runs), or two runs to compare."),
    ] = None,
) -> None:
    """List the runs in a folder, or compare two of them."""
    from rich.console import Console

    from ..report import compare, runs_table

    chosen = folders or [Path("runs")]
    if len(chosen) > 2:
        raise ParameterError(
            f"runs takes one folder to list or two runs to compare, not {len(chosen)} folders"
        )
    Console().print(compare(*chosen) if len(chosen) == 2 else runs_table(chosen[0]))


@app.command()
def units() -> None:
    """Print the units that every quantity has in Cajax."""
    from rich.console import Console
    from rich.table import Table

    from ..base.units import TABLE

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
        from ..model.files import load
        from ..train import Free, unbounded

        model = load(path)
        console.print(model)
        console.print(Free({"*": unbounded()}).table(model))
        return
    from ..morph import read_morphology

    morph = read_morphology(path)
    tags = {tag: morph.tags.count(tag) for tag in sorted(set(morph.tags))}
    branches = ", ".join(f"{n} {tag}" for tag, n in tags.items())
    console.print(f"{path.name}: {len(morph.parent)} branches ({branches})")
    console.print(f"length {morph.lengths.sum():.1f} µm, area {morph.areas.sum():.1f} µm²")


def _quiet_threads() -> None:
    """Let threads of libraries fail in silence: what fails there comes back as an error of ours."""
    shown = sys.excepthook

    def hook(kind: Any, error: Any, trace: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            shown(kind, error, trace)

    sys.excepthook = hook


def main() -> None:
    """Run the command line; every mistake of the user ends in one line on stderr and exit status 1."""
    _quiet_threads()
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
