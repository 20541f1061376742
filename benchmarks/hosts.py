"""Two hosts against one: the time of a training step of the MNIST task, with two processes of one machine, a core
each.

`python benchmarks/hosts.py [--hidden 16] [--batch 64] [--steps 6]`. Beside it a loop that shares nothing, on one core
and on two at once: what the machine itself gives. A ratio of 2 is perfect; nothing here says what a network between
machines costs. The images are noise, for a step takes as long whatever it sees.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext, suppress
from typing import Any

SIDE = 28


def pinned(core: int) -> None:
    """Keep this process on one core, where the system can."""
    with suppress(AttributeError):  # not on every system
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[core % len(cores)]})


def spin(core: int) -> float:
    """Return the seconds that a fixed loop takes on a core."""
    pinned(core)
    begin, x = time.perf_counter(), 1
    for _ in range(20_000_000):
        x = (x * 5 + 1) & 0xFFFF
    return time.perf_counter() - begin


def train(host: int, hosts: int, port: int, hidden: int, batch: int, steps: int) -> float:
    """Return the median seconds of a step after the first two."""
    pinned(host)
    import jax

    jax.config.update("jax_num_cpu_devices", 1)
    import numpy as np

    from cajax.tasks.mnist import Mnist
    from cajax.tasks.reading import Images
    from cajax.train import joined, optimize, split_mean

    class Drawn(Mnist):
        def images(self) -> Any:
            x = np.random.default_rng(0).random((batch, SIDE, SIDE)).astype(np.float32)
            y = (np.arange(batch) % 10).astype(np.int32)
            return Images((x, y), (x, y), (x, y))

    with nullcontext() if hosts == 1 else joined(hosts, host, f"127.0.0.1:{port}"):
        task = Drawn(hidden=hidden, batch=batch)
        stage = task.stages()[0]
        mean = split_mean(lambda m, x: task.loss(m, x, stage))
        _, history = optimize(
            mean, task.network(), task.free(), task.optimizer(stage), steps, progress=False, has_aux=True,
            batches=lambda step: task.trials(stage, 0),
        )  # fmt: skip
    return statistics.median(history.seconds[2:])


def at_once(*words: list[str]) -> list[float]:
    """Run workers at the same time; return the number that each prints."""
    started = [
        subprocess.Popen([sys.executable, __file__, "--worker", *w], stdout=subprocess.PIPE, text=True)
        for w in words
    ]
    return [float(p.communicate()[0].split()[-1]) for p in started]


def control() -> float:
    """Return how much more two cores do than one when they share nothing."""
    return 2.0 * at_once(["spin", "0"])[0] / max(at_once(["spin", "0"], ["spin", "1"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hidden", type=int, default=16)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        kind, *numbers = given.worker
        print((spin if kind == "spin" else train)(*map(int, numbers)))
        return
    sizes = [str(given.hidden), str(given.batch), str(given.steps)]
    before = control()
    (one,) = at_once(["train", "0", "1", "0", *sizes])
    two = max(at_once(*(["train", str(k), "2", "62011", *sizes] for k in range(2))))
    after = control()
    print(f"one host {one:.3f} s a step, two hosts {two:.3f} s: {one / two:.2f} times as fast")
    print(f"loops that share nothing: {before:.2f} times before, {after:.2f} times after")
    print(f"load of the machine over the last minute: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
