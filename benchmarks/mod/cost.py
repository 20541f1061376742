"""What a mechanism of a .mod file costs beside the same equations written by hand: `python cost.py FOLDER`.

FOLDER has hh.mod of NEURON, and CaDynamics.mod, Ca_HVA.mod and SK.mod of bmtk; what is absent is left out. A pyramidal
cell of some 1,000 control volumes; both in turn, the shortest of a dozen runs counts.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import jax
import jax.numpy as jnp

import cajax as cx
from cajax.mech import Channel, Gate, Leak, Param, Reversal, param
from cajax.mech.library import hay2011

ROUNDS = 12


def trapped(x: Any, y: Any) -> Any:
    """Return vtrap of hh.mod, without its IF harming a derivative."""
    near = jnp.abs(x / y) < 1e-6
    return jnp.where(
        near, y * (1.0 - x / y / 2.0), jnp.where(near, y, x) / (jnp.exp(jnp.where(near, y, x) / y) - 1.0)
    )


@final
class Plain(Channel):
    """hh.mod as one would write it down."""

    gnabar: Param = param(0.12, "S/cm2")
    gkbar: Param = param(0.036, "S/cm2")
    gl: Param = param(3e-4, "S/cm2")
    el: Param = param(-54.3, "mV")

    def gates(self, v: Any, celsius: Any) -> dict[str, Any]:
        q10 = 3.0 ** ((celsius - 6.3) / 10.0)

        def gate(a: Any, b: Any) -> Gate:
            return Gate(a / (a + b), q10 * (a + b))

        return {
            "m": gate(0.1 * trapped(-(v + 40.0), 10.0), 4.0 * jnp.exp(-(v + 65.0) / 18.0)),
            "h": gate(0.07 * jnp.exp(-(v + 65.0) / 20.0), 1.0 / (jnp.exp(-(v + 35.0) / 10.0) + 1.0)),
            "n": gate(0.01 * trapped(-(v + 55.0), 10.0), 0.125 * jnp.exp(-(v + 65.0) / 80.0)),
        }

    def current(self, v: Any, m: Any, h: Any, n: Any, ena: Any, ek: Any) -> dict[str, Any]:
        sodium, potassium = self.gnabar * m * m * m * h * (v - ena), self.gkbar * n * n * n * n * (v - ek)
        return {"na": sodium, "k": potassium, "": self.gl * (v - self.el)}


def pairs(folder: Path) -> dict[str, tuple[dict[str, Any], dict[str, Any], str, str]]:
    """Return what is painted: imported, by hand, and the conductance of both that a gradient is taken for."""
    found: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {}
    ions = {"na": Reversal(e=50.0), "k": Reversal(e=-77.0)}
    if (hh := folder / "hh.mod").exists():
        found["hh"] = (
            {"x": cx.read_mod(hh)(), **ions},
            {"x": Plain(), **ions},
            "all.x.gnabar",
            "all.x.gnabar",
        )
    files = [folder / f"{n}.mod" for n in ("Ca_HVA", "SK", "CaDynamics")]
    if all(f.exists() for f in files):
        hva, sk, pool = (cx.read_mod(f) for f in files)
        leak, k = Leak(), Reversal(e=-85.0)
        imported = {"leak": leak, "hva": hva(gbar=1e-4), "sk": sk(gbar=1e-4), "ca": pool(), "k": k}
        by_hand = {
            "leak": leak,
            "hva": hay2011.CaHVA(g=1e-4),
            "sk": hay2011.SK(g=1e-4),
            "ca": hay2011.CaDynamics(),
            "k": k,
        }
        found["calcium"] = (imported, by_hand, "all.hva.gbar", "all.hva.g")
    return found


def model(paint: dict[str, Any]) -> Any:
    cell = cx.Cell(cx.pyramidal(seed=0), temperature=6.3).paint("all", **paint)
    return cell.discretize(cx.MaxLength(10.0))


def runs(built: Any, name: str) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return a run, and the gradient of one for a conductance."""
    clamp = cx.IClamp("soma", delay=1.0, dur=40.0, amp=0.5)
    settings: dict[str, Any] = {"t1": 50.0, "inputs": [clamp], "record": {"v": "soma"}}
    slope = jax.jit(jax.grad(lambda g: cx.simulate(built.replace({name: g}), **settings)["v"].sum()))
    value = jnp.asarray(built.params[name])
    return lambda: cx.simulate(built, **settings)["v"], lambda: slope(value)


def main() -> None:
    for name, (imported, by_hand, of_imported, of_hand) in pairs(Path(sys.argv[1])).items():
        ours, plain = model(imported), model(by_hand)
        jobs = dict(
            zip(
                ("forward", "gradient"),
                zip(runs(ours, of_imported), runs(plain, of_hand), strict=True),
                strict=True,
            )
        )
        for what, pair in jobs.items():
            best = [float("inf")] * 2
            for turn in range(ROUNDS + 1):
                for k, job in enumerate(pair):
                    begin = time.perf_counter()
                    jax.block_until_ready(job())
                    if turn:
                        best[k] = min(best[k], time.perf_counter() - begin)
            ratio = best[0] / best[1]
            print(f"{name} {what}: {1e3 * best[0]:.1f} ms, by hand {1e3 * best[1]:.1f} ms, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
