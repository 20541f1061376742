"""Models on disk: every kind comes back equal; what was changed, by accident or not, is refused by its key."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.base.archive import read_arrays
from cajax.base.errors import StoreError
from cajax.mech import Channel, Param, param

from ..fuzz.files import CASES
from ..helpers import active, joined, raises


class Late(Channel):
    """A leak of the user's own."""

    g: Param = param(1e-4, "S/cm2")

    def current(self, v):
        return self.g * (v + 65.0)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_models_of_every_kind_come_back(tmp_path, case):
    model = case()[0]
    try:
        path = cx.save(tmp_path / "model", model)
    except StoreError as error:
        assert "holds code" in str(error)
        return
    loaded = cx.load(path)
    assert loaded.structure == model.structure and loaded.params.keys() == model.params.keys()
    for name in ("area", "res_child", "res_parent"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(model, name))
    assert all(
        np.array_equal(loaded.params[k], x) and loaded.params[k].dtype == x.dtype
        for k, x in model.params.items()
    )


def changed(path, where, value, drop=False):
    """Change the JSON of a model at a place, as somebody would who makes the hash anew."""
    arrays = read_arrays(path)
    head = json.loads(str(arrays.pop("structure")))
    del head["content"]
    at = head["model"]["map"]
    for key in where[:-1]:
        at = at[key]
    if drop:
        del at[where[-1]]
    else:
        at[where[-1]] = value
    np.savez_compressed(path, structure=np.array(json.dumps(head)), **arrays)


S = ("structure", "fields")
CHANNEL = (*S, "channels", "tuple", 0, "fields")
CHANGES = {
    "type": ((*S, "size"), "4", "structure.size is '4', not a whole number"),
    "number": ((*S, "size"), 5, "structure.size is 5, but the populations have 4 CVs"),
    "huge": ((*S, "size"), 10**39, "structure.size is 1000"),
    "null": ((*S, "layouts"), None, "structure.layouts is None, not a list"),
    "name": ((*CHANNEL, "population"), "b", "structure.channels[0].population is 'b', which is no population"),
    "class": ((*CHANNEL, "template", "class"), "Leak ", "import it before loading"),
    "module": ((*CHANNEL, "template", "class"), "os:system", "import it before loading"),
    "abstract": ((*CHANNEL, "template", "class"), "Channel", "structure.channels[0].template"),
    "other": ((*CHANNEL, "template", "class"), "Tree", "structure.channels[0].template"),
    "index": ((*CHANNEL, "index"), {"array": "a999"}, "names the array 'a999', which is not there"),
    "extra": ((*CHANNEL, "extra"), 1, "structure.channels[0].extra is not known here"),
    "scope": (
        (*CHANNEL, "fields", "map", "g", "fields", "painted", "tuple", 0, "fields", "scope"), "cvs", "scope is 'cvs'",
    ),
    "form": ((*CHANNEL, "fields"), {"odd": {}}, "structure.channels[0].fields is neither"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_structure_is_refused_by_its_key(tmp_path, change):
    where, value, said = CHANGES[change]
    path = cx.save(tmp_path / "model", active())
    changed(path, where, value)
    raises(lambda: cx.load(path), str(path), said, kind=StoreError)


def test_missing_keys_are_named(tmp_path):
    for where, said in (
        ((*S, "size"), "structure.size is missing"),
        (("params",), "model.params is missing"),
    ):
        path = cx.save(tmp_path / "model", active())
        changed(path, where, None, drop=True)
        raises(lambda p=path: cx.load(p), said)


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        ("params.all.cm", lambda x: x * np.nan, "params.all.cm"),
        ("params.all.cm", lambda x: -x, "below its lower bound"),
        ("params.all.cm", lambda x: x.astype(int), "not floating point"),
        ("params.all.cm", lambda x: x[None], "params.all.cm has shape [1], not []"),
        ("channels.index", lambda x: x + 1000, "outside 0 to 3"),
        ("channels.index", lambda x: x[::-1], "not in rising order"),
        ("channels.index", lambda x: x.astype(float), "not whole numbers"),
        ("area", lambda x: x[1:], "area has shape [3], not [4]"),
        ("area", lambda x: 0 * x, "area is not positive everywhere"),
    ],
)
def test_a_changed_array_is_refused_by_its_key(tmp_path, name, make, said):
    path = cx.save(tmp_path / "model", active())
    arrays = read_arrays(path)
    head = json.loads(str(arrays["structure"]))
    del head["content"]
    model = head["model"]["map"]
    entry = {
        "params.all.cm": lambda: model["params"]["map"]["all.cm"], "area": lambda: model["area"],
        "channels.index": lambda: model["structure"]["fields"]["channels"]["tuple"][1]["fields"]["index"],
    }[name]()  # fmt: skip
    arrays[entry["array"]] = make(arrays[entry["array"]])
    np.savez_compressed(path, **{**arrays, "structure": np.array(json.dumps(head))})
    raises(lambda: cx.load(path), said)


def test_a_change_that_still_makes_sense_is_noticed(tmp_path):
    path = cx.save(tmp_path / "model", active())
    arrays = read_arrays(path)
    name = next(k for k, x in arrays.items() if k != "structure" and x.dtype.kind == "f" and x.ndim == 0)
    np.savez_compressed(path, **{**arrays, name: arrays[name] * 1.01})
    raises(lambda: cx.load(path), "its content is not what was saved")


def test_edges_that_lead_nowhere(tmp_path):
    path = cx.save(tmp_path / "model", joined())
    arrays = read_arrays(path)
    head = json.loads(str(arrays["structure"]))
    wires = head["model"]["map"]["structure"]["fields"]["graded"]["tuple"][0]["fields"]["wires"]["fields"]
    arrays[wires["post"]["array"]] = arrays[wires["post"]["array"]] + 10**6
    np.savez_compressed(path, **arrays)
    raises(lambda: cx.load(path), "structure.graded[0].wires.post holds")


def test_deep_and_foreign_files(tmp_path):
    path = tmp_path / "x.npz"
    for text, said in (
        ("[" * 100_000, "nested too deeply"), ('{"cajax": ' + "9" * 5000 + "}", "of 5000 digits"), ("{", "not JSON"),
        ("[]", "format None"), ('{"cajax": 2}', "format 2"), ('{"cajax": true}', "format True"),
    ):  # fmt: skip
        np.savez_compressed(path, structure=np.array(text))
        raises(lambda: cx.load(path), "x.npz", said)
    np.savez_compressed(path, structure=np.array({"a": 1}, dtype=object))
    raises(lambda: cx.load(path), "asks for more than numbers and text")
    np.savez_compressed(path, weights=np.zeros(3))
    raises(lambda: cx.load(path), "is not a Cajax model")


def test_what_cannot_be_loaded_is_not_saved(tmp_path):
    model = active()
    bad = cx.Model(
        {**model.params, "all.cm": jnp.asarray(jnp.nan)},
        model.area,
        model.res_child,
        model.res_parent,
        model.structure,
    )
    raises(lambda: cx.save(tmp_path / "x", bad), "cannot save this model: params.all.cm")
    assert not list(tmp_path.iterdir())


def test_a_class_that_has_moved_is_given_by_name(tmp_path):
    model = cx.Cell(cx.cylinder(20, 5)).paint("all", late=Late()).discretize(cx.PerBranch(1))
    path = cx.save(tmp_path / "model", model)
    arrays = read_arrays(path)
    text = str(arrays.pop("structure"))
    old = f"{Late.__module__}:Late"
    head = json.loads(text.replace(old, "gone.module:Late"))
    del head["content"]
    np.savez_compressed(path, structure=np.array(json.dumps(head)), **arrays)
    raises(
        lambda: cx.load(path),
        "'Late' of gone.module",
        "import it before loading",
        old,
        "classes={'gone.module:Late'",
    )
    assert cx.load(path, classes={"gone.module:Late": Late}).structure == model.structure
    raises(lambda: cx.load(path, classes={"gone.module:Late": dict}), "no class that a model is made of")


def test_a_matrix_of_weights_without_autapses_comes_back(tmp_path):
    cell = cx.Cell(cx.cylinder(20, 5)).paint("all", leak=cx.mech.Leak())
    net = cx.Network().add("a", cell, 3).connect("a", "a", cx.mech.Graded(), weight=np.full((3, 3), 1e-3))
    model = net.discretize(cx.PerBranch(1))
    assert cx.load(cx.save(tmp_path / "net", model)).structure == model.structure
