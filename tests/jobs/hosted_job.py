"""A job on one of several hosts, as a program: `hosted_job.py HOST HOSTS PORT RUNS DEVICES [SEED [RESUME]]`."""

import os
import sys
from contextlib import nullcontext
from pathlib import Path

import jax
from tiny import Tiny

from cajax import jobs
from cajax.base.errors import CajaxError
from cajax.tasks.task import Stage
from cajax.train import joined


class Brief(Tiny):
    """No look inside, and steps that take a moment."""

    def stages(self):
        return Stage("a", 6, 3.0), Stage("b", 6, 4.0)

    def inspect(self, before, after, folder, say):
        return {}

    def versions(self):
        return {"untrained membranes": self.but(membranes=False)}


def main(host, hosts, port, runs, devices, seed=0, resume=""):
    jax.config.update("jax_num_cpu_devices", devices)
    with nullcontext() if hosts == 1 else joined(hosts, host, f"127.0.0.1:{port}", wait=60.0):
        if resume:
            folder = jobs.resume(Brief(), resume, every_control=True)
        else:
            folder = jobs.run(Brief(t1=3.0, seed=seed), Path(runs), every_control=True)
    print(os.fspath(folder) if folder else "interrupted")


if __name__ == "__main__":
    try:
        a = sys.argv[1:]
        main(int(a[0]), int(a[1]), a[2], a[3], int(a[4]), *map(int, a[5:6]), *a[6:])
    except CajaxError as error:
        sys.exit(f"cajax: {error}")
