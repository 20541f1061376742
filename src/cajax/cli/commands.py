"""The command line: `cajax train`, `fit`, `convert`, `report`, `runs`, …; errors are one line, never a traceback."""

import os
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ..base.disk import open_file
from ..base.errors import CajaxError, Interrupted, ParameterError
from .convert import add_convert
from .fit import add_fit
from .hosts import Coordinator, Host, Hosts, Place, joined_at, place
from .imaged import add_imaged
from .options import Controls, Cores, Resume, Runs, Seed
from .process import cache, failed, flushed, quiet_threads, ready_streams, said, soft_termination

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
train = typer.Typer(no_args_is_help=True, help="Train a network of biophysical neurons on a task.")
app.add_typer(train, name="train")


def _use(cores: int) -> None:
    """Let a batch run on so many cores; must come before JAX starts.

    Threads of compiled programs, whose numbers do not depend on them; where nothing can be compiled, devices of JAX.
    JAX's own variable for their number counts first: as many devices give the same bits on one host and on several.
    """
    # Kinetics are long loops of arithmetic, a fifth faster in wide registers; XLA itself stays at 256 bits.
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_prefer_vector_width=512")
    import jax

    if (kept := cache()) is not None:
        jax.config.update("jax_compilation_cache_dir", str(kept))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    # A full disk costs speed only.
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache")
    from ..program.executor import THREADS_VARIABLE, chosen_backend, missing

    native = missing() is None and chosen_backend("auto").name != "xla"
    devices: int = jax.config.jax_num_cpu_devices  # pyright: ignore
    if devices < 1:  # nobody has said
        devices = 1 if native else cores
        jax.config.update("jax_num_cpu_devices", devices)
    if native:
        os.environ.setdefault(THREADS_VARIABLE, str(max(1, cores // devices)))


def _epochs(default: int) -> Any:
    return typer.Option(
        min=1, max=10**6, help="Passes through the images.", show_default=str(default), metavar="N"
    )


Hidden = Annotated[
    int | None, typer.Option(min=1, max=10**5, help="Number of hidden cells.", show_default="64", metavar="N")
]

INTERRUPTED = 130
"""Exit status of what was stopped by Ctrl-C or SIGTERM."""
CORES = 8
"""Cores that are used unless more are asked for."""


def _available() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def _cores(asked: int) -> int:
    """Return how many cores to use; `ParameterError` for more than could help."""
    most = max(CORES, os.cpu_count() or 1)
    if asked > most:
        raise ParameterError(
            f"--cores {asked}: this machine has {os.cpu_count()}; leave it out, or at most {most}"
        )
    return asked or min(CORES, _available())


def _train(
    name: str,
    settings: dict[str, Any],
    runs: Path | None,
    resume: Path | None,
    cores: int,
    controls: bool,
    where: Place | None,
    further: Callable[[Path], None] | None = None,
) -> None:
    """Run a task from start to report; shared by all tasks. `further` is done last, in the folder of the run."""
    _use(_cores(cores))
    given = {key: value for key, value in settings.items() if value is not None}
    asked = {f"--{key}": value for key, value in given.items()}
    about = {"task": name, **asked, "--resume": resume is not None, "--controls": controls}
    with joined_at(where, about) as leads:
        ended = _trained(name, given, runs, resume, controls, further if leads else None)
    if not ended:
        raise typer.Exit(INTERRUPTED)


def _trained(
    name: str,
    given: Mapping[str, Any],
    runs: Path | None,
    resume: Path | None,
    controls: bool,
    further: Callable[[Path], None] | None,
) -> bool:
    """Run a task, or go on with it; whether it came to its end."""
    from .. import tasks
    from ..jobs.team import follow
    from ..report import report as write_report
    from ..train.hosts import alone, follows

    def done(folder: Path) -> None:
        print(f"report: {write_report(folder)}", flush=True)

    if resume is None:
        folder = tasks.run(tasks.TASKS[name](**given), runs or Path("runs"), controls, done)
    elif follows():
        folder = follow(tasks.TASKS[name])
    else:
        tasks.require_task(resume, name)
        _require_same(resume, given, runs)
        folder = tasks.resume(resume, controls, done=done)
    if folder is not None and further is not None:
        with alone():
            further(folder)
        done(folder)
    return folder is not None


def _require_same(folder: Path, given: Mapping[str, Any], runs: Path | None) -> None:
    """Raise `ParameterError` for options that a run which goes on would have to drop."""
    from ..jobs.folder import load_run

    known = load_run(folder)["settings"]
    for key, value in given.items():
        if known.get(key) != value:
            raise ParameterError(
                f"--{key} {value}: {folder} goes on with its own settings ({key} is {known.get(key)}); leave it out, or"
                " start a new run without --resume"
            )
    if runs is not None and runs.resolve() != folder.resolve().parent:
        raise ParameterError(f"--runs {runs}: {folder} goes on where it is; leave out --runs, or --resume")


@train.command()
def digits(
    epochs: Annotated[int | None, _epochs(16)] = None,
    hidden: Hidden = None,
    seed: Seed = None,
    runs: Runs = None,
    resume: Resume = None,
    cores: Cores = 0,
    controls: Controls = False,
    hosts: Hosts = None,
    host: Host = None,
    coordinator: Coordinator = None,
) -> None:
    """Read handwritten digits of 8 x 8 pixels (1,797 images that come with scikit-learn)."""
    _train(
        "digits",
        {"epochs": epochs, "hidden": hidden, "seed": seed},
        runs,
        resume,
        cores,
        controls,
        place(hosts, host, coordinator),
    )


@train.command()
def mnist(
    data: Annotated[
        str | None, typer.Option(help="Folder with the idx files (else they are fetched).")
    ] = None,
    epochs: Annotated[int | None, _epochs(6)] = None,
    hidden: Hidden = None,
    seed: Seed = None,
    runs: Runs = None,
    resume: Resume = None,
    cores: Cores = 0,
    controls: Controls = False,
    hosts: Hosts = None,
    host: Host = None,
    coordinator: Coordinator = None,
) -> None:
    """Read the 70,000 handwritten digits of MNIST (28 x 28 pixels)."""
    settings = {"data": data, "epochs": epochs, "hidden": hidden, "seed": seed}
    _train("mnist", settings, runs, resume, cores, controls, place(hosts, host, coordinator))


SEEDED = {
    "match": "Hold a stimulus in memory through a delay; say whether the next one is the same.",
    "evidence": "Integrate noisy evidence for half a second; answer at its end.",
    "dendrite": "Teach ten single neurons a decision that is not linearly separable.",
}
"""Tasks of which the command line sets nothing but the seed, and what they are."""


def _add_seeded(name: str, about: str) -> None:
    @train.command(name, help=about)
    def command(
        seed: Seed = None,
        runs: Runs = None,
        resume: Resume = None,
        cores: Cores = 0,
        controls: Controls = False,
        hosts: Hosts = None,
        host: Host = None,
        coordinator: Coordinator = None,
    ) -> None:
        _train(name, {"seed": seed}, runs, resume, cores, controls, place(hosts, host, coordinator))


for _name, _about in SEEDED.items():
    _add_seeded(_name, _about)
add_imaged(train, _train)


@train.command()
def recall(
    capacity: Annotated[
        bool, typer.Option("--capacity", help="Then measure how many patterns networks of three sizes store.")
    ] = False,
    seed: Seed = None,
    runs: Runs = None,
    resume: Resume = None,
    cores: Cores = 0,
    controls: Controls = False,
    hosts: Hosts = None,
    host: Host = None,
    coordinator: Coordinator = None,
) -> None:
    """Store patterns; retrieve each from its cue, whole or corrupted, after a delay."""

    def measure(folder: Path) -> None:
        from ..tasks.capacity import measured

        measured(folder, print)

    where, more = place(hosts, host, coordinator), measure if capacity else None
    _train("recall", {"seed": seed}, runs, resume, cores, controls, where, more)


add_fit(app, lambda cores: _use(_cores(cores)))
add_convert(app)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="A run folder that 'cajax train' or 'cajax fit' made.")],
) -> None:
    """Write one page about a run, with every picture in it: RUN/report.html."""
    from ..train.store import require_run

    require_run(run)
    _use(_cores(0))
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
    from rich.text import Text

    console = Console(soft_wrap=True)
    open_file(path).close()  # pipes and devices are refused, whoever would read them
    if path.suffix == ".npz":
        from ..model.files import load
        from ..train import Free, unbounded

        model = load(path)
        console.print(Text(repr(model)))
        console.print(Free({"*": unbounded()}).table(model))
        return
    from ..morph import read_morphology

    morph = read_morphology(path)
    tags = {tag: morph.tags.count(tag) for tag in sorted(set(morph.tags))}
    branches = ", ".join(f"{n} {tag}" for tag, n in tags.items())
    console.print(Text(f"{path.name}: {len(morph.parent)} branches ({branches})"))
    console.print(f"length {morph.lengths.sum():.1f} µm, area {morph.areas.sum():.1f} µm²")


# Typer brings its own copy of Click; what all errors of usage derive from has no public name.
_Usage: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")


def main() -> None:
    """Run the command line; every mistake of the user ends in one line on stderr and a status other than 0.

    1: something is not as it should be; 2: the command is not one; 130: interrupted.
    """
    quiet_threads()
    ready_streams()
    with soft_termination():
        code = _status()
    sys.exit(flushed(code))


def _status() -> int:
    """Run the command and return its exit status."""
    try:
        code = app(standalone_mode=False)
    except Interrupted as stop:
        said(str(stop))
        return INTERRUPTED
    except CajaxError as error:
        said(str(error))
        return 1
    except _Usage as error:
        return _misused(error)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("cajax"):
            raise
        said(f"this needs the package {error.name}; pip install 'cajax[train]'")
        return 1
    except MemoryError:
        said("there is not enough memory for this; make it smaller")
        return 1
    except OSError as error:
        failed(error)
        return 1
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        said("interrupted")
    return code if isinstance(code, int) else 0


def _misused(error: Any) -> int:
    """Say what is wrong with a command in one line, and where to look."""
    text = error.format_message()
    context = getattr(error, "ctx", None)
    if text.strip():  # else it was a command without a word, and its help has been printed
        said(f"{text.rstrip('.')}; see: {context.command_path if context else 'cajax'} --help")
    return error.exit_code
