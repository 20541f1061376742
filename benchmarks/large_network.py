"""A large network: memory and time per synapse of a run and of a gradient, for graded and for event synapses.

    python benchmarks/large_network.py [--cells 1000] [--fan 1000] [--synapse expsyn] [--delays edge] …

Cells of one soma and one dendrite with Hodgkin–Huxley channels, `fan` synapses onto each from random others, a weight
(and with `--delays edge` a delay) of its own for every synapse. Says what each stage took as it goes. See README.md.
"""

import argparse
import resource
import sys
import time


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--fan", type=int, default=1000, help="synapses per cell")
    parser.add_argument("--synapse", choices=("graded", "expsyn", "stdp"), default="expsyn")
    parser.add_argument("--delays", choices=("shared", "edge"), default="shared")
    parser.add_argument("--t1", type=float, default=20.0, help="ms")
    parser.add_argument("--dt", type=float, default=0.1, help="ms")
    return parser.parse_args()


def resident() -> float:
    """Peak resident memory of this process so far, MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def main() -> None:
    options = arguments()
    begin = time.perf_counter()
    import jax
    import jax.numpy as jnp
    import numpy as np

    import cajax as cx
    from cajax.mech import HH, STDP, ExpSyn, Graded

    def say(stage: str, seconds: float, per: str = "") -> None:
        print(f"{stage:34s} {seconds:8.3f} s   peak {resident():7.0f} MB   {per}", flush=True)

    say("import", time.perf_counter() - begin)
    begin = time.perf_counter()
    rng = np.random.default_rng(0)
    cell = cx.Cell(cx.ball_and_stick()).paint("all", hh=HH())
    n_edge = options.cells * options.fan
    pairs = np.stack(
        [rng.integers(options.cells, size=n_edge), np.repeat(np.arange(options.cells), options.fan)], 1
    )
    weight = cx.each("edge", rng.uniform(0.0, 0.5 / options.fan, n_edge))
    extra = {}
    if options.synapse != "graded":
        extra["delay"] = cx.each("edge", rng.uniform(0.5, 3.0, n_edge)) if options.delays == "edge" else 1.0
        extra["plasticity"] = STDP() if options.synapse == "stdp" else None
    synapse = Graded() if options.synapse == "graded" else ExpSyn()
    net = cx.Network().add("c", cell, options.cells)
    net = net.connect(
        "c", "c", synapse, rule=cx.edges(pairs), at="apical", weight=weight, name="syn", **extra
    )
    model = net.discretize(cx.PerBranch(2))
    built, cvs = resident(), model.structure.size
    say(f"build {options.cells:,} cells, {n_edge:,} synapses", time.perf_counter() - begin, f"{cvs} CVs")
    amps = jnp.asarray(rng.uniform(0.0, 0.2, options.cells), dtype=jnp.float32)

    def run(model: cx.Model) -> jax.Array:
        clamp = cx.IClamp("c", 0.5, options.t1, amps)
        return cx.simulate(model, options.t1, options.dt, [clamp])["c"]

    def loss(params: dict[str, jax.Array]) -> jax.Array:
        return jnp.mean((run(model.replace(params)) + 60.0) ** 2)

    steps = round(options.t1 / options.dt)
    for name, function in (("run", jax.jit(loss)), ("gradient", jax.jit(jax.value_and_grad(loss)))):
        begin = time.perf_counter()
        program = function.lower(model.params).compile()
        say(f"compile the {name}", time.perf_counter() - begin)
        times = []
        for _ in range(3):
            begin = time.perf_counter()
            found = jax.block_until_ready(program(model.params))
            times.append(time.perf_counter() - begin)
        best = sorted(times)[1]
        per = (
            f"{1e3 * best / steps:.2f} ms per step, {1e9 * best / steps / n_edge:.2f} ns per synapse and step"
        )
        say(f"{name}, {steps} steps", best, per)
    added = 1e6 * (resident() - built) / n_edge
    everything = 1e6 * resident() / n_edge
    print(f"memory of the gradient: {added:.0f} bytes per synapse beyond the model, {everything:.0f} in all")
    print(
        f"spikes: {int(((run(model)[:-1] < -20) & (run(model)[1:] >= -20)).sum())}, loss {float(found[0]):.4f}"
    )


if __name__ == "__main__":
    main()
