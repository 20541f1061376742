"""Jaxley as an engine: public API, default voltage solver (`jaxley.dhs`), batched by `jax.vmap`.

Methods: `backward_euler`, `crank_nicolson`; with `/checkpointed` gradients use two `checkpoint_lengths`.
"""

import time
from collections.abc import Callable

from wire import TARGETS, Model, Run, Server, arguments

arguments()
START = time.perf_counter()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

JAX_S = time.perf_counter() - START

import jaxley as jx  # noqa: E402
import numpy as np  # noqa: E402
from jaxley.channels import HH  # noqa: E402
from jaxley.connect import connect  # noqa: E402
from jaxley.synapses import IonotropicSynapse  # noqa: E402

IMPORT_S = time.perf_counter() - START

import jax_programs  # noqa: E402

FREE = ("HH_gNa", "HH_gK", "HH_gLeak")
WEIGHT = "IonotropicSynapse_gS"
SOLVERS = {"backward_euler": "bwd_euler", "crank_nicolson": "crank_nicolson"}


class Jaxley:
    """One cell, or a network of copies of it."""

    times = None

    def versions(self) -> dict[str, str]:
        return {"jaxley": jx.__version__, "jax": jax.__version__}

    def build(self, model: Model) -> int:
        self.spec = model
        if model.swc:
            module = jx.read_swc(model.swc, ncomp=model.ncv)
        else:
            module = jx.Cell(jx.Branch(jx.Compartment(), ncomp=model.ncv), parents=list(model.parent))
            module.set("length", np.repeat(np.array(model.length) / model.ncv, model.ncv))
            module.set("radius", np.repeat(np.array(model.radius), model.ncv))
        module.set("axial_resistivity", model.ra)
        module.set("capacitance", model.cm)
        module.set("v", model.v0)
        module.insert(HH())
        if model.cells > 1:
            module = self.network(model, module)
        module.init_states(delta_t=0.025)
        if model.synapses:  # Cajax starts from the steady state at v0
            v_th, delta = (float(module.edges[f"IonotropicSynapse_{k}"].iloc[0]) for k in ("v_th", "delta"))
            module.set("IonotropicSynapse_s", 1.0 / (1.0 + np.exp((v_th - model.v0) / delta)))
        site = module.cell("all") if model.cells > 1 else module
        site.branch(0).comp(model.center).record("v", verbose=False)
        for key in FREE:
            site.branch("all").comp("all").make_trainable(key, verbose=False)
        if model.synapses:
            module.IonotropicSynapse.edge("all").make_trainable(WEIGHT, verbose=False)
        self.module, self.params = module, module.get_parameters()
        return len(module.nodes)

    def network(self, model: Model, cell: jx.Cell) -> jx.Network:
        net = jx.Network([cell] * model.cells)
        if not model.synapses:
            return net
        # Rows are counted cell by cell; their labels leave gaps for the points where branches meet.
        rows, size, weights = np.asarray(net.nodes.index), len(model.parent) * model.ncv, []
        for group in range(TARGETS):
            pairs, branch, weight = model.edges(group)
            pre = rows[pairs[:, 0] * size + model.center]
            post = rows[pairs[:, 1] * size + branch * model.ncv + model.ncv // 2]
            connect(net.select(nodes=pre), net.select(nodes=post), IonotropicSynapse())
            weights.append(weight)
        net.IonotropicSynapse.edge("all").set(WEIGHT, np.concatenate(weights))
        return net

    def program(self, run: Run) -> Callable[[], np.ndarray]:
        spec, (solver, _, nested) = self.spec, run.method.partition("/")
        on = jnp.asarray((np.arange(run.steps) >= round(run.delay / run.dt)).astype(float))
        self.module.to_jax()  # a traced run leaves its tracers in the module, and views made from it would copy them
        site = self.module.cell("all") if spec.cells > 1 else self.module
        site = site.branch(0).comp(spec.center)

        def one(params: list, amp: jax.Array) -> jax.Array:
            v = jx.integrate(
                self.module,
                params,
                data_stimuli=site.data_stimulate(amp[..., None] * on),
                delta_t=run.dt,
                solver=SOLVERS[solver],
                checkpoint_lengths=run.checkpoints() if nested else None,
            )
            return v.T if spec.cells > 1 else v[0]

        params = [p for p in self.params if not set(p) & set(FREE[run.free :])]

        def named(grads: list) -> dict[str, jax.Array]:
            flat = {k: v.reshape(-1) for entry in grads for k, v in entry.items()}
            return {k: v.sum() if spec.cells > 1 and k in FREE else v for k, v in flat.items()}

        amps = run.amps(spec.cells)
        return jax_programs.program(jax_programs.batched(one, run), params, amps, run, named)


if __name__ == "__main__":
    Server(Jaxley(), import_s=IMPORT_S, jax_import_s=JAX_S).serve()
