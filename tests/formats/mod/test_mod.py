"""Mechanisms of .mod files against NEURON (`neuron_traces.npz`, made by `neuron_traces.py`), gradients, reports."""

import json
import pickle
import subprocess
import sys
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import Channel, Leak, Reversal, advanced, initial_states

pytest.importorskip("neuron", reason="NEURON's parser is the extra cajax[neuron]")

HERE = Path(__file__).resolve().parent
FILES = HERE / "files"
TRACES = np.load(HERE / "neuron_traces.npz")
STEPS = (0.02, 0.2, -0.05)
IONS = {
    "zkv_hand": {"k": Reversal(e=-77.0)},
    "zna_trap": {"na": Reversal(e=50.0)},
    "zca_local": {"ca": Reversal(e=120.0)},
    "zkin": {"k": Reversal(e=-77.0)},
    "zbind": {"k": Reversal(e=-77.0)},
    "zeuler": {},
}
CHANNELS = sorted(p.stem for p in FILES.glob("*.mod") if p.stem not in ("zpool", "zdual"))
READINGS = {"celsius": 23.0, "ek": -77.0, "ena": 50.0, "eca": 120.0, "cai": 1e-3, "cao": 2.0}


@cache
def mechanism(name):
    return cx.read_mod(FILES / f"{name}.mod")


def cell(**paint):
    shape = cx.cylinder(20.0, 10.0)
    leak = Leak(g=1e-4, e=-70.0)
    return cx.Cell(shape, v0=-70.0, temperature=22.0).paint("all", pas=leak, **paint)


def clamped(model, amp, **options):
    clamp = cx.IClamp("soma", delay=5.0, dur=40.0, amp=amp)
    return cx.simulate(model, t1=50.0, dt=0.025, inputs=[clamp], record={"v": "soma"}, **options)["v"].ravel()


@pytest.mark.parametrize("name", [*IONS, "zpool"])
def test_voltages_are_those_of_neuron(name):
    paint = {"ca": mechanism("zpool")(), "x": mechanism("zca")()} if name == "zpool" else None
    model = cell(**(paint or {"x": mechanism(name)(), **IONS[name]})).discretize(cx.PerBranch(1))
    assert (
        cx.plan(model, t1=50.0, dt=0.025, record={"v": "soma"}, method=cx.BackwardEuler()).executor
        == "native"
    )
    for amp in STEPS:
        v = clamped(model, amp, method=cx.BackwardEuler())
        assert np.abs(v[::10] - TRACES[f"{name}|{amp:g}"]).max() < 1e-3


def test_a_synapse_of_two_conductances_is_that_of_neuron():
    net = (
        cx.Network()
        .add("source", cx.SpikeSource(), 1)
        .add("cell", cell())
        .connect("source", "cell", mechanism("zdual")(), weight=0.01, delay=1.0)
    )
    model = net.discretize(cx.PerBranch(1))
    spikes = cx.Spikes("source", [[2.0, 4.0, 4.5, 11.0, 20.0]])
    sol = cx.simulate(
        model, t1=50.0, dt=0.025, inputs=[spikes], method=cx.BackwardEuler(), record={"v": "cell"}
    )
    assert np.abs(sol["v"].ravel()[::10] - TRACES["zdual"]).max() < 1e-3


def density(cls, x, v):
    """The current two steps after a jump of the voltage, a function of the parameters `x` and the voltage."""
    channel = cls().with_params({spec.name: x[k] for k, spec in enumerate(cls.specs())})
    outline = cls().outline()
    read = {name: READINGS[name] for name in outline.gates_read}
    now = {n: jnp.broadcast_to(s, v.shape) for n, s in initial_states(channel.gates(v, **read)).items()}
    for order in (1, 2):
        now = advanced(channel.gates(v + 3.0, **read), now, 0.05, order)
    read = {name: READINGS[name] for name in outline.current_reads}
    return sum(channel.carried(v, **now, **read).values())


@pytest.mark.parametrize("name", CHANNELS)
def test_gradients_of_every_parameter_are_central_differences(name):
    cls, v = mechanism(name), jnp.array([-81.3, -38.0, -35.0, -25.0, -28.0, 0.0, 31.7])
    x = jnp.array([float(spec.default) for spec in cls.specs()])
    f = jax.jit(lambda x: density(cls, x, v))
    slope = jax.jit(jax.jacfwd(f))(x)
    back = jax.jit(jax.grad(lambda x: (f(x) * jnp.cos(v)).sum()))(x)
    assert np.allclose(back, (slope * jnp.cos(v)[:, None]).sum(0), rtol=1e-9, atol=1e-300)
    for k in range(len(x)):
        h = 1e-4 * abs(x[k]) if x[k] else 1e-4
        e = jnp.zeros_like(x).at[k].set(h)
        central = (8 * (f(x + e) - f(x - e)) - (f(x + 2 * e) - f(x - 2 * e))) / (12 * h)
        scale = np.abs(central).max()
        assert np.abs(central - slope[:, k]).max() <= 1e-6 * scale + 1e-18, cls.specs()[k].name


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_values_and_slopes_are_finite_and_smooth_at_points_of_0_over_0(dtype):
    cls = mechanism("zna_trap")
    x = jnp.array([float(spec.default) for spec in cls.specs()], dtype)
    v = jnp.concatenate([-38.0 + jnp.linspace(-1e-4, 1e-4, 41), jnp.linspace(-400.0, 400.0, 801)]).astype(
        dtype
    )

    def f(u):
        return density(cls, x, u[None])[0]

    value, slope = jax.jit(jax.vmap(jax.value_and_grad(f)))(v)
    bend = jax.jit(jax.vmap(jax.grad(jax.grad(f))))(v)
    assert np.isfinite(value).all() and np.isfinite(slope).all() and np.isfinite(bend).all()
    u, near = np.linspace(-1.0, 1.0, 41), np.asarray(slope[:41], float)
    bent = near - np.polyval(np.polyfit(u, near, 1), u)  # over so short a way the slope is straight
    assert np.abs(bent).max() < (1e-3 if dtype == jnp.float32 else 1e-6) * np.abs(near).max()


def test_parameters_have_their_units_and_defaults():
    specs = {spec.name: spec for spec in mechanism("zna_trap").specs()}
    assert list(specs) == ["gbar", "gl", "el", "power", "half", "lambda_"]  # a name of Python's gets a _
    assert (specs["gbar"].unit, specs["gbar"].default, specs["el"].unit) == ("S/cm2", 0.01, "mV")
    assert "lambda_" in str(mechanism("zna_trap").report)


def test_the_report_says_what_is_approximated_and_strict_refuses_it(tmp_path):
    text = (FILES / "zdual.mod").read_text().replace("NONSPECIFIC_CURRENT i", "USEION ca WRITE ica")
    path = tmp_path / "x.mod"
    path.write_text(text.replace("i = (A", "ica = (A"))
    assert cx.read_mod(path).report.approximated == ("x.mod:3: ica flows, but no ion pool takes it up",)
    with pytest.raises(cx.CajaxError, match=r"x\.mod:3: ica flows"):
        cx.read_mod(path, strict=True)


def test_a_saved_model_holds_the_text_of_its_files(tmp_path):
    path = tmp_path / "gone.mod"
    path.write_text((FILES / "zkin.mod").read_text().replace("zkin", "zgone"))
    model = cell(x=cx.read_mod(path)(gbar=2e-3), k=Reversal(e=-77.0)).discretize(cx.PerBranch(1))
    file = cx.save(tmp_path / "model.npz", model)
    path.unlink()
    again = loaded_elsewhere(file)
    assert again.split() == [f"{x:.12g}" for x in clamped(model, 0.1)[::400]]


def loaded_elsewhere(file):
    """Return voltages of a saved model, run by a fresh Python that has read no .mod file."""
    code = (
        "import sys, jax; jax.config.update('jax_enable_x64', True); import cajax as cx;"
        "c = cx.IClamp('soma', delay=5.0, dur=40.0, amp=0.1);"
        "v = cx.simulate(cx.load(sys.argv[1]), t1=50.0, dt=0.025, inputs=[c], record={'v': 'soma'})['v'].ravel();"
        "print(*[f'{x:.12g}' for x in v[::400]])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_changed_text_in_a_saved_model_is_refused(tmp_path):
    model = cell(x=mechanism("zeuler")()).discretize(cx.PerBranch(1))
    file = cx.save(tmp_path / "model.npz", model)
    arrays = dict(np.load(file))
    head = json.loads(arrays["structure"].item())
    (name,) = head["texts"]
    head["texts"][name][1] = head["texts"][name][1].replace("-43", "-44")
    head["model"] = json.loads(json.dumps(head["model"]).replace(name, "mod.0:zeuler"))
    head["texts"]["mod.0:zeuler"] = head["texts"].pop(name)
    np.savez(file, **{**arrays, "structure": np.array(json.dumps(head))})
    with pytest.raises(cx.CajaxError, match=r"the text that defines .mod\.0:zeuler. is another"):
        cx.load(file)


def test_classes_print_and_copy_like_others():
    kv = mechanism("zkv_hand")
    assert issubclass(kv, Channel) and kv.__name__ == "zkv_hand"
    again = pickle.loads(pickle.dumps(kv(gbar="2 mS/cm2")))
    assert again.params()["gbar"] == pytest.approx(2e-3)
    with pytest.raises(cx.CajaxError, match="did you mean 'gbar'"):
        kv(gba=1.0)


CHAINED = """
NEURON { SUFFIX chained USEION ca READ ica, cai WRITE cai }
PARAMETER { kt = 1e-4 (mM/ms) kd = 1e-4 (mM) tau = 50 (ms) }
STATE { cai (mM) }
ASSIGNED { ica (mA/cm2) pumped (mM/ms) }
INITIAL { cai = 1e-3 }
BREAKPOINT { SOLVE state METHOD cnexp }
DERIVATIVE state { pumped = -kt*cai/(cai + kd) cai' = pumped - cai/tau }
"""


def test_what_a_block_computes_before_its_equation_stands_still_as_with_cnexp(tmp_path):
    path = tmp_path / "chained.mod"
    path.write_text(CHAINED)
    cell = cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", leak=Leak(), ca=cx.read_mod(path)())
    model, dt = cell.discretize(cx.PerBranch(1)), 0.5
    record = {"ca": "soma.ca.cai"}
    now = [1e-3]
    for _ in range(20):
        end = -1e-4 * now[-1] / (now[-1] + 1e-4) * 50.0
        now.append(end + (now[-1] - end) * np.exp(-dt / 50.0))
    ours = cx.simulate(model, t1=10.0, dt=dt, method=cx.BackwardEuler(), record=record)["ca"]
    np.testing.assert_allclose(np.ravel(ours), now, rtol=1e-12)
    # To second order nothing stands still: a step twice as long is four times as far off.
    fine = cx.simulate(model, t1=10.0, dt=0.01, record=record)["ca"].ravel()[-1]
    off = [abs(cx.simulate(model, t1=10.0, dt=h, record=record)["ca"].ravel()[-1] - fine) for h in (0.5, 1.0)]
    assert 3.0 < off[1] / off[0] < 5.0
