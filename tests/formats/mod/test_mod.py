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
POOLS = ("zpool", "zpumped", "zaccum")
CHANNELS = sorted(p.stem for p in FILES.glob("*.mod") if p.stem not in (*POOLS, "zdual"))
READINGS = {"celsius": 23.0, "ek": -77.0, "ena": 50.0, "eca": 120.0, "cai": 1e-3, "cao": 2.0}
READINGS |= {"t": 9.1, "dt": 0.05, "diam": 3.0, "area": 400.0, "ica": -1.1e-3}
GIVEN = ((-90.0, -60.0, -45.0, 0.0), (0.2, 0.9, 0.4, 0.6))


@cache
def mechanism(name, **options):
    tables = {"given": GIVEN} if name == "zsolved" else None
    return cx.read_mod(FILES / f"{name}.mod", tables=tables, **options)


def together(name):
    """What is painted for a trace that needs more than one mechanism and a reversal potential."""
    return {
        "zpool": lambda: {"ca": mechanism("zpool")(), "x": mechanism("zca")()},
        "zpumped": lambda: {"ca": mechanism("zpumped")(), "x": mechanism("zca")()},
        "zaccum": lambda: {
            "na": mechanism("zaccum")(nao=140.0, ki=54.4), "x": mechanism("zna_trap")(), "y": mechanism("zkin")()
        },
        "zsense": lambda: {
            "ca": mechanism("zpool")(), "x": mechanism("zca")(), "y": mechanism("zsense")(), "k": Reversal(e=-77.0)
        },
        "zsolved": lambda: {"x": mechanism("zsolved")()},
        "zsolved table": lambda: {"x": mechanism("zsolved", usetable=True)()},
    }[name]()  # fmt: skip


def cell(**paint):
    shape = cx.cylinder(20.0, 10.0)
    leak = Leak(g=1e-4, e=-70.0)
    return cx.Cell(shape, v0=-70.0, temperature=22.0).paint("all", pas=leak, **paint)


def clamped(model, amp, **options):
    clamp = cx.IClamp("soma", delay=5.0, dur=40.0, amp=amp)
    return cx.simulate(model, t1=50.0, dt=0.025, inputs=[clamp], record={"v": "soma"}, **options)["v"].ravel()


@pytest.mark.parametrize("name", [*IONS, "zpool", "zpumped", "zaccum", "zsense", "zsolved", "zsolved table"])
def test_voltages_are_those_of_neuron(name):
    paint = {"x": mechanism(name)(), **IONS[name]} if name in IONS else together(name)
    model = cell(**paint).discretize(cx.PerBranch(1))
    plan = cx.plan(model, t1=50.0, dt=0.025, record={"v": "soma"}, method=cx.BackwardEuler())
    assert plan.executor == ("xla" if "zsolved" in name else "native")  # a table is looked up by XLA
    for amp in STEPS:
        v = clamped(model, amp, method=cx.BackwardEuler())
        assert np.abs(v[::10] - TRACES[f"{name}|{amp:g}"]).max() < 1e-3


def test_a_point_process_is_a_channel_of_its_current():
    model = cell(x=mechanism("zwave")()).discretize(cx.PerBranch(1))
    v = cx.simulate(model, t1=50.0, dt=0.025, method=cx.BackwardEuler(), record={"v": "soma"})["v"].ravel()
    assert np.ptp(v) > 1.0
    assert np.abs(v[::10] - TRACES["zwave"]).max() < 1e-3


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


@pytest.mark.parametrize("name", ["zpumped", "zaccum"])
def test_gradients_of_ions_are_central_differences(name):
    model = cell(**together(name)).discretize(cx.PerBranch(1))
    clamp = cx.IClamp("soma", delay=0.5, dur=40.0, amp=0.2)
    paths = [path for path in model.params if path.startswith(f"all.{'ca' if name == 'zpumped' else 'na'}.")]

    @jax.jit
    def loss(model):
        record = {"v": "soma", "c": "soma.ca.cai" if name == "zpumped" else "soma.na.nai"}
        sol = cx.simulate(model, t1=5.0, dt=0.025, inputs=[clamp], record=record)
        return sol["v"].sum() + 10.0 * sol["c"].sum()

    slopes = jax.jit(jax.grad(loss))(model).params
    for path in paths:
        x = float(model.params[path])
        h = 1e-3 * x

        def at(s, path=path, x=x, h=h):
            return float(loss(model.replace({path: x + s * h})))

        central = (8.0 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12.0 * h)
        assert float(slopes[path]) == pytest.approx(central, rel=1e-6, abs=1e-9 / x), path


def test_tables_are_checked(tmp_path):
    path = FILES / "zsolved.mod"
    empty = cx.read_mod(path)
    with pytest.raises(cx.CajaxError, match=r"zsolved.mod:9: FUNCTION_TABLE given is empty; fill it"):
        cx.simulate(cell(x=empty()).discretize(cx.PerBranch(1)), t1=1.0)
    for wrong in ({"given": ([0.0, 0.0], [1.0, 2.0])}, {"given": ([0.0], [1.0, 2.0])}, {"given": "x"}):
        with pytest.raises(cx.CajaxError, match="rising x"):
            cx.read_mod(path, tables=wrong)
    with pytest.raises(cx.CajaxError, match="no FUNCTION_TABLE 'other'; the file has given"):
        cx.read_mod(path, tables={"other": 1.0})
    again = pickle.loads(pickle.dumps(mechanism("zsolved", usetable=True)(g=1e-3)))
    assert "usetable = 1" in str(type(again).report)


def test_an_electrode_current_stands_alone(tmp_path):
    text = (
        (FILES / "zwave.mod")
        .read_text()
        .replace("ELECTRODE_CURRENT i", "ELECTRODE_CURRENT i NONSPECIFIC_CURRENT j")
    )
    path = tmp_path / "both.mod"
    path.write_text(text)
    with pytest.raises(cx.CajaxError, match="ELECTRODE_CURRENT beside j"):
        cx.read_mod(path)


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


def test_cnexp_takes_an_equation_as_it_is_written(tmp_path):
    path = tmp_path / "x.mod"
    path.write_text("""NEURON { SUFFIX x NONSPECIFIC_CURRENT i }
ASSIGNED { v (mV) i (mA/cm2) drive }
STATE { n }
INITIAL { n = 0.8 }
BREAKPOINT { SOLVE s METHOD cnexp i = n*v*1e-9 }
DERIVATIVE s { drive = -n*n n' = drive + (0.5 - n)/2 }
""")
    states = cx.read_mod(path)().gates(jnp.array([-65.0]))["states"]
    now = {**states.rest("states"), "begun": jnp.ones(1)}
    after = states.advance("states", now, 0.1, 1)["n"]
    end = 0.5 - 2.0 * 0.8**2  # where n' = 0 while drive stands still
    assert float(after[0]) == pytest.approx(end + (0.8 - end) * np.exp(-0.1 / 2.0), rel=1e-12)


def test_a_concentration_that_initial_leaves_starts_as_neurons_ion_does(tmp_path):
    path = tmp_path / "x.mod"
    path.write_text("""NEURON { SUFFIX x USEION ca READ ica WRITE cai }
PARAMETER { rest = 1e-4 (mM) }
ASSIGNED { ica (mA/cm2) cai (mM) }
STATE { c (mM) }
INITIAL { c = rest }
BREAKPOINT { SOLVE s METHOD cnexp }
DERIVATIVE s { c' = (rest - c)/5 - ica cai = c }
""")
    ion = cx.read_mod(path)()
    start = ion.example()
    assert float(ion.inside(**start)) == 5e-5 and float(start["c"]) == 1e-4
    zero = {k: jnp.full(1, float(x)) for k, x in start.items()}
    assert float(ion.inside(**ion.stepped(jnp.zeros(1), jnp.ones(1), zero, 0.1, 1))[0]) == pytest.approx(1e-4)


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


SOUGHT = """
NEURON { SUFFIX sought NONSPECIFIC_CURRENT i RANGE g }
DEFINE N 3
PARAMETER { g = 1 (S/cm2) }
ASSIGNED { v (mV) i (mA/cm2) x[N] k }
BREAKPOINT {
    FROM j=0 TO N-1 { x[j] = 10*j }
    k = (v + 80)/20
    x[k] = x[k] + 1
    i = g*x[k]
}
"""


def test_an_index_may_be_computed(tmp_path):
    path = tmp_path / "sought.mod"
    path.write_text(SOUGHT)
    found = cx.read_mod(path)().carried(jnp.array([-80.0, -60.0, -45.0, -35.0]))[""]
    np.testing.assert_array_equal(found, [1.0, 11.0, 11.0, 21.0])


TURNS = """
NEURON { SUFFIX turns NONSPECIFIC_CURRENT i RANGE g }
PARAMETER { g = 1 (S/cm2) }
ASSIGNED { v (mV) i (mA/cm2) s n }
BREAKPOINT {
    n = v/10
    s = 0
    FROM j=1 TO n { s = s + j n = 0 }
    i = g*s
}
"""


def test_the_end_of_a_loop_may_be_computed(tmp_path):
    path = tmp_path / "turns.mod"
    path.write_text(TURNS)
    made = cx.read_mod(path)()
    found = made.carried(jnp.array([-20.0, 0.0, 10.0, 35.0, 160.0]))[""]
    np.testing.assert_array_equal(found, [0.0, 0.0, 1.0, 6.0, 136.0])
    assert np.isnan(
        made.carried(jnp.array([170.0]))[""]
    ).all()  # more turns than are taken: never wrong in silence


STIFF = """
NEURON { SUFFIX stiff USEION ca READ ica, cai WRITE cai }
PARAMETER { kt = 1 (mM/ms) kd = 5e-4 (mM) }
STATE { cai (mM) }
ASSIGNED { ica (mA/cm2) }
INITIAL { cai = 5e-4 }
BREAKPOINT { SOLVE state METHOD derivimplicit }
DERIVATIVE state { cai' = -kt*cai/(cai + kd) + 1e-5 }
"""


def test_a_pump_far_from_its_balance_steps_to_the_solution(tmp_path):
    path = tmp_path / "stiff.mod"
    path.write_text(STIFF)
    cell = cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", leak=Leak(), ca=cx.read_mod(path)())
    model = cell.discretize(cx.PerBranch(1))

    def after(kt):
        m = model.replace({"all.ca.kt": kt})
        settings = {"dt": 0.025, "method": cx.BackwardEuler(), "record": {"ca": "soma.ca.cai"}}
        return cx.simulate(m, t1=0.025, **settings)["ca"].ravel()[-1]

    def exact(kt):  # the root of c + dt kt c/(c + kd) = c0 + dt 1e-5, a quadratic
        known = 5e-4 + 0.025e-5
        b = 5e-4 + 0.025 * kt - known
        return 2.0 * known * 5e-4 / (b + np.sqrt(b * b + 4.0 * known * 5e-4))

    assert float(after(1.0)) == pytest.approx(exact(1.0), rel=1e-9)
    slope = (exact(1.0 + 1e-6) - exact(1.0 - 1e-6)) / 2e-6
    assert float(jax.grad(after)(1.0)) == pytest.approx(slope, rel=1e-6)
