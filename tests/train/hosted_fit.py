"""A fit on one of several hosts, as a program: `hosted_fit.py HOST HOSTS PORT RUN STEPS DEVICES [RATE [WAIT]]`.

With one host there is no line. It prints how the fit ended, after how many steps, and a hash of all trained values.
"""

import sys
import time
from contextlib import nullcontext

import jax
import numpy as np
import optax
from small_model import batches, loss, setting

from cajax.base.digest import data_hash
from cajax.base.errors import CajaxError
from cajax.train import fit, joined, split_mean


def main(host, hosts, port, run, steps, devices, rate=0.03, wait=60.0):
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_num_cpu_devices", devices)
    with nullcontext() if hosts == 1 else joined(hosts, host, f"127.0.0.1:{port}", {"rate": rate}, wait):
        (_, model, free, _), _ = setting()
        mean = split_mean(lambda m, x: loss(m, x, jax.random.key(0)), shares=4)

        def slowly(step):
            time.sleep(0.005)
            return batches(step)

        trained, history = fit(
            mean, model, free, optax.adam(rate), steps, batches=slowly, run=run, save_every=7, callback=seen
        )
    print(history.stopped, history.steps, data_hash(*(np.asarray(x) for x in jax.tree.leaves(trained))))


def seen(step):
    """Say that a step is made; of several hosts only the first calls this."""
    print("step", flush=True)


if __name__ == "__main__":
    try:
        main(*map(int, sys.argv[1:4]), sys.argv[4], *map(int, sys.argv[5:7]), *map(float, sys.argv[7:]))
    except CajaxError as error:
        sys.exit(f"cajax: {error}")
