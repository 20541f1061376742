"""The MNIST network beside Jaxley: the time and memory of a gradient, on one core, in turn.

`python benchmarks/mnist_network.py --jaxley PYTHON [--hidden 4 8] [--batch 8]`: both build 784 receptors, HIDDEN cells
with Hodgkin–Huxley channels in a soma and seven dendrites, and 10 readouts; every pixel contacts one dendrite of every
cell by an excitatory and an inhibitory graded synapse, and every cell every readout. 10 ms in steps of 0.1 ms, float32;
gradients by all synaptic weights and by the conductances of every compartment. Jaxley takes backward Euler, its
default, whose step costs less than that of its Crank–Nicolson. Each runs in a process of its own.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

T1, DT = 10.0, 0.1
SIDE, DENDRITES, CLASSES = 28, 7, 10
KINDS = {"exc": (0.0, 0.0), "inh": (-80.0, -130.0)}  # reversal (mV) onto the hidden cells, onto the readouts
K_IN, K_OUT = 0.5, 0.05  # 1/ms
DRIVE = 0.2  # nA


def cajax_program(hidden: int, batch: int) -> Any:
    """Return a function without arguments that computes one gradient; the task's own network."""
    import jax
    import numpy as np

    from cajax.tasks.mnist import Mnist
    from cajax.tasks.reading import Images
    from cajax.tasks.task import Batch

    class Drawn(Mnist):
        def images(self) -> Any:
            blank = np.zeros((batch, SIDE, SIDE)), np.zeros(batch, int)
            return Images(blank, blank, blank)

    task = Drawn(hidden=hidden, batch=batch)
    model, free, stage = task.network(), task.free(), task.stages()[0]
    image = np.random.default_rng(0).random((batch, SIDE, SIDE)).astype(np.float32)
    trials = Batch({"image": image}, np.arange(batch) % CLASSES)
    theta = free.init(model)
    gradient = jax.jit(jax.grad(lambda theta: task.loss(free.apply(model, theta), trials, stage)[0]))
    return lambda: jax.block_until_ready(gradient(theta))


def jaxley_program(hidden: int, batch: int) -> Any:
    """Return the same for Jaxley."""
    import jax
    import jax.numpy as jnp
    import jaxley as jx
    import numpy as np
    from jaxley.channels import HH, Leak
    from jaxley.connect import connect
    from jaxley.synapses import IonotropicSynapse

    pixels = SIDE**2
    point = jx.Cell(jx.Branch(jx.Compartment(), ncomp=1), parents=[-1])
    tree = jx.Cell(jx.Branch(jx.Compartment(), ncomp=1), parents=[-1] + [0] * 3 + [3, 3, 5, 5])
    net = jx.Network([point] * pixels + [tree] * hidden + [point] * CLASSES)
    cells = [
        list(range(pixels)),
        list(range(pixels, pixels + hidden)),
        list(range(pixels + hidden, pixels + hidden + CLASSES)),
    ]
    net.set("radius", 2.0)
    net.set("length", 60.0)
    for passive in (cells[0], cells[2]):
        net.cell(passive).set("radius", 10.0)
        net.cell(passive).set("length", 20.0)
        net.cell(passive).insert(Leak())
        net.cell(passive).set("Leak_gLeak", 3e-4)
        net.cell(passive).set("Leak_eLeak", -65.0)
    net.cell(cells[1]).insert(HH())
    net.set("v", -65.0)
    first = np.asarray(net.nodes.groupby("global_cell_index").apply(lambda g: g.index[0]))
    band = np.arange(pixels) // SIDE * DENDRITES // SIDE
    reversal, speed = [], []
    for e_in, e_out in KINDS.values():
        pre, cell = np.tile(np.arange(pixels), hidden), np.repeat(np.arange(hidden), pixels)
        post = first[pixels + cell] + 1 + band[pre]
        connect(net.select(nodes=first[pre]), net.select(nodes=post), IonotropicSynapse())
        reversal += [e_in] * len(pre)
        speed += [K_IN] * len(pre)
        pre, digit = np.tile(np.arange(hidden), CLASSES), np.repeat(np.arange(CLASSES), hidden)
        connect(
            net.select(nodes=first[pixels + pre]),
            net.select(nodes=first[pixels + hidden + digit]),
            IonotropicSynapse(),
        )
        reversal += [e_out] * len(pre)
        speed += [K_OUT] * len(pre)
    edges = net.IonotropicSynapse.edge("all")
    edges.set("IonotropicSynapse_e_syn", np.array(reversal))
    edges.set("IonotropicSynapse_k_minus", np.array(speed))
    edges.set("IonotropicSynapse_gS", 2e-5)
    net.init_states(delta_t=DT)
    net.cell(cells[2]).branch(0).comp(0).record("v", verbose=False)
    edges.make_trainable("IonotropicSynapse_gS", verbose=False)
    for key in ("HH_gNa", "HH_gK", "HH_gLeak"):
        net.cell(cells[1]).branch("all").comp("all").make_trainable(key, verbose=False)
    params = net.get_parameters()
    net.to_jax()
    shown = net.cell(cells[0]).branch(0).comp(0)
    image = jnp.asarray(np.random.default_rng(0).random((batch, pixels)), jnp.float32)
    on = jnp.ones((1, round(T1 / DT)))

    def logits(params: Any, image: Any) -> Any:
        currents = shown.data_stimulate(DRIVE * image[:, None] * on)
        v = jx.integrate(net, params, data_stimuli=currents, delta_t=DT, checkpoint_lengths=[10, 11])
        return (v[:, -60:].mean(axis=1) + 65.0) / 2.0

    def loss(params: Any) -> Any:
        z = jax.nn.log_softmax(jax.vmap(logits, (None, 0))(params, image))
        return -jnp.mean(z[jnp.arange(batch), jnp.arange(batch) % CLASSES])

    gradient = jax.jit(jax.grad(loss))
    return lambda: jax.block_until_ready(gradient(params))


def serve(engine: str, hidden: int, batch: int) -> None:
    """Build, compile, then run a gradient each time a line comes in."""
    begin = time.perf_counter()
    make = cajax_program if engine == "cajax" else jaxley_program
    program = make(hidden, batch)
    built = time.perf_counter() - begin
    program()
    ready = time.perf_counter() - begin - built
    print(json.dumps({"build_s": built, "first_s": ready}), flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        program()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"s": time.perf_counter() - begin, "peak_mb": peak}), flush=True)


class Child:
    """One engine in a process of its own."""

    def __init__(self, python: str, engine: str, hidden: int, batch: int) -> None:
        command = [
            python,
            str(Path(__file__).resolve()),
            "--serve",
            engine,
            "--hidden",
            str(hidden),
            "--batch",
            str(batch),
        ]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.facts, self.times, self.peak = self.answer(), [], 0.0

    def answer(self) -> dict[str, float]:
        line = self.process.stdout.readline() if self.process.stdout else ""
        return json.loads(line) if line else {"failed": 1.0}

    def run(self) -> None:
        if "failed" in self.facts or not self.process.stdin:
            return
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        found = self.answer()
        self.times.append(found["s"])
        self.peak = found["peak_mb"]


def compare(options: argparse.Namespace) -> None:
    """Measure both engines in turn at every size, and print a table."""
    print("hidden  engine  build s  compile s  ms per image        least–most  peak MB")
    for hidden in options.hidden:
        pythons = {"cajax": sys.executable, **({"jaxley": options.jaxley} if options.jaxley else {})}
        children = {name: Child(python, name, hidden, options.batch) for name, python in pythons.items()}
        for _ in range(options.repeats):
            for child in children.values():
                child.run()
        for name, child in children.items():
            if not child.times:
                print(f"{hidden:>7d}{name:>8s}  failed")
                continue
            ms = [1e3 * t / options.batch for t in child.times]
            span = f"{min(ms):.1f}–{max(ms):.1f}"
            print(
                f"{hidden:>7d}{name:>8s}{child.facts['build_s']:>9.1f}{child.facts['first_s']:>11.1f}"
                f"{statistics.median(ms):>14.2f}{span:>18s}{child.peak:>9.0f}",
                flush=True,
            )
            child.process.kill()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--jaxley", help="a Python that has Jaxley 0.14")
    parser.add_argument("--hidden", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.hidden[0], options.batch)
    else:
        compare(options)


if __name__ == "__main__":
    main()
