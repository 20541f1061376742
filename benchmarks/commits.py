"""Compare two checkouts: import, compile and run time of the same models, one after the other in turns.

    python benchmarks/commits.py BEFORE AFTER [--turns 5]

Each turn runs a fresh process per checkout (its `src` first on the path) and prints nothing itself; the table has the
medians of both and the median of the ratios after/before, turn by turn, with their range. One core, float32; processor
time, so that a busy machine counts for little.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def models() -> dict[str, Any]:
    """Name → function of a scale of all parameters that simulates, as both checkouts spell it."""
    import cajax as cx
    from cajax.mech import HH, STDP, CaL, ExpSyn, Graded, Kd, Leak, Na, Pool

    def scaled(model: Any, paths: tuple[str, ...], **run: Any) -> Any:
        def loss(x: Any) -> Any:
            changed = model.replace({path: model.params[path] * x for path in paths})
            sol = cx.simulate(changed, **run)
            return sum((v**2).mean() for v in sol.records.values())

        return loss

    tree = cx.Cell(cx.pyramidal(seed=1)).paint("all", hh=HH()).discretize(cx.MaxLength(40.0))
    step = cx.IClamp("soma", 1.0, 50.0, 0.5)
    ions = (
        cx.Cell(cx.pyramidal(seed=1), temperature=34.0)
        .paint("all", leak=Leak(), na=Na(), kd=Kd(), cal=CaL(), ca=Pool())
        .discretize(cx.MaxLength(60.0))
    )
    small = cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak()).paint("soma", hh=HH())
    net = cx.Network().add("a", small, 20).add("b", small, 20)
    graded = net.connect("a", "b", Graded(), weight=1e-4).discretize(cx.PerBranch(4))
    ring = net.connect(
        "a", "b", ExpSyn(), rule=cx.bernoulli(0.3, seed=1), weight=2e-4, plasticity=STDP()
    ).discretize(cx.PerBranch(2))
    drive = cx.IClamp("a", 1.0, 50.0, 0.5)
    return {
        "pyramidal HH": scaled(tree, ("all.hh.gna",), t1=10.0, inputs=[step], record={"v": "soma"}),
        "pyramidal, pool": scaled(ions, ("all.cal.g",), t1=10.0, inputs=[step], record={"v": "soma"}),
        "graded network": scaled(graded, ("a->b.graded.weight",), t1=10.0, inputs=[drive]),
        "spikes, STDP": scaled(ring, ("a->b.expsyn.weight",), t1=10.0, inputs=[drive]),
    }


def child() -> dict[str, float]:
    """Return the seconds of one process."""
    begin = time.process_time()
    import jax

    with_jax = time.process_time()
    import cajax

    found = {"import jax": with_jax - begin, "import cajax": time.process_time() - with_jax}
    assert cajax.__file__
    for name, loss in models().items():
        for kind, function in (("forward", loss), ("gradient", jax.grad(loss))):
            run = jax.jit(function)
            begin = time.process_time()
            compiled = run.lower(1.0).compile()
            found[f"{name}: {kind}, compile"] = time.process_time() - begin
            times = []
            for _ in range(7):
                begin = time.process_time()
                jax.block_until_ready(compiled(1.0))
                times.append(time.process_time() - begin)
            found[f"{name}: {kind}, run"] = statistics.median(times)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    turns: list[tuple[dict[str, float], dict[str, float]]] = []
    for _ in range(options.turns):
        pair = []
        for checkout in (options.before, options.after):
            path = {"PYTHONPATH": str((checkout / "src").resolve()), "JAX_PLATFORMS": "cpu"}
            command = ["taskset", "-c", "0", sys.executable, __file__, "--child"]
            out = subprocess.run(
                command, env={**os.environ, **path}, check=True, capture_output=True, text=True
            )
            pair.append(json.loads(out.stdout.splitlines()[-1]))
        turns.append((pair[0], pair[1]))
    print(f"{'':34s}{'before, s':>11s}{'after, s':>11s}{'ratio':>8s}   range")
    for key in turns[0][0]:
        ratios = sorted(b[key] / a[key] for a, b in turns)
        medians = [statistics.median(turn[k][key] for turn in turns) for k in (0, 1)]
        spread = f"{statistics.median(ratios):8.3f}   {ratios[0]:.2f}–{ratios[-1]:.2f}"
        print(f"{key:34s}{medians[0]:11.4f}{medians[1]:11.4f}{spread}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--child"]:
        print(json.dumps(child()))
    else:
        main()
