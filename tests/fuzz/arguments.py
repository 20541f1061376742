"""Wrong arguments into every public call: `python -m tests.fuzz.arguments --calls 10000 --seed 0`.

Each call is a good one of `good_calls` with one or two arguments replaced by `nasty_values`. It may be accepted or
refused by a `CajaxError` on one line; a raw error, a warning or a hang is a fault, printed with what repeats it.
"""

import argparse
import contextlib
import random
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax

import cajax as cx

from .good_calls import Call, good_calls
from .nasty_values import nasty_values

SECONDS = 10
"""A call that takes longer hangs."""
SLOW = ("simulate", "plan", "fit", "check_gradient", "save")
"""Calls that compile or write: they get a small share."""


class Hang(BaseException):
    """A call that took too long; no `Exception`, so that nothing in between catches it."""


class Outcome(NamedTuple):
    """What became of a call: "accepted", "refused", "raw error" or "hang"; `note` says more of the last two."""

    kind: str
    note: str = ""


def outcome(call: Callable[[], Any]) -> Outcome:
    """Return what becomes of a call, at most `SECONDS` long; warnings count as raw errors."""
    signal.signal(signal.SIGALRM, _hang)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            # JAX says so of a generator before the constructor, which refuses it, is asked.
            warnings.filterwarnings("ignore", "Python iterable type", DeprecationWarning)
            call()
    except cx.CajaxError as error:
        text = str(error)
        good = 15 < len(text) < 500 and "\n" not in text
        return (
            Outcome("refused")
            if good
            else Outcome("raw error", f"message of {len(text)} characters: {text[:80]!r}")
        )
    except Hang:
        return Outcome("hang", traceback.format_exc().splitlines()[-3].strip())
    except Exception as error:
        at = [
            f"{f.filename.rpartition('/cajax/')[2]}:{f.lineno}"
            for f in traceback.extract_tb(error.__traceback__)
        ]
        ours = [place for place in at if not place.startswith("/")]
        return Outcome(
            "raw error", f"{type(error).__name__} at {ours[-1] if ours else at[-1]}: {str(error)[:100]!r}"
        )
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return Outcome("accepted")


def _hang(*_: Any) -> None:
    raise Hang


def spoilt(seed: int) -> tuple[str, Callable[[], Any], str]:
    """Return the name of a call, the call with one or two arguments replaced, and what was replaced by what."""
    draw = random.Random(seed)
    calls = _calls()
    quick = [c for c in calls if c.name not in SLOW]
    call = draw.choice(quick if draw.random() < 0.97 else [c for c in calls if c.name in SLOW])
    values = nasty_values()
    replaced = {
        draw.choice(list(call.arguments)): draw.choice(list(values)) for _ in range(draw.choice((1, 1, 2)))
    }
    arguments = {**call.arguments, **{k: values[v] for k, v in replaced.items()}}
    return call.name, lambda: call.function(arguments), f"{call.name}({replaced})"


_CALLS: list[Call] = []


def _calls() -> list[Call]:
    if not _CALLS:
        _CALLS.extend(call for call in good_calls() if call.arguments)
    return _CALLS


def outcomes(seeds: range) -> Iterator[tuple[str, Outcome, str]]:
    """Yield name, outcome and description of the calls of these seeds."""
    for seed in seeds:
        name, call, said = spoilt(seed)
        yield name, outcome(call), f"seed {seed}: {said}"


def main(arguments: list[str] | None = None) -> int:
    """Count the outcomes of `--calls` calls from `--seed` on; return 1 where one is a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)
    counts, faults, begin = Counter(), [], time.perf_counter()
    first = options.seed * 1_000_000
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # some paths can be written to
        for _, found, said in outcomes(range(first, first + options.calls)):
            counts[found.kind] += 1
            if found.kind in ("raw error", "hang"):
                faults.append((found.note, said))
    for note, times in Counter(note for note, _ in faults).most_common():
        example = next(said for n, said in faults if n == note)
        print(f"{times:5d} × {note}\n        {example}")
    print(f"{options.calls} calls in {time.perf_counter() - begin:.0f} s: {dict(counts)}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
