"""What files call types: names that must not change, or files of today will not load tomorrow."""

import pytest

import cajax.mech as mech
from cajax.base.names import class_of, name_of, on_disk
from cajax.engine.graded_synapses import GradedSynapses
from cajax.model import files  # noqa: F401  (imports everything that a model is made of)

KEPT = {
    "Structure", "Layout", "Group", "CVs", "Tree", "Field", "Painted", "Address", "ChannelSites", "IonSites", "Wires",
    "GradedProjection", "EventProjection", "GapProjection", "Detector", "Plastic", "InsertedPart", "Outline",
    "ParamSpec", "All", "Tag", "Label", "Both", "Either", "Not", "Where", "Measure",
    "FastSigmoid", "ArcTan", "Gaussian", "Triangle",
    "hh.HH", "leak.Leak", "pospischil2008.Na", "pospischil2008.Kd", "pospischil2008.Km", "Graded", "Rate", "ExpSyn",
    "Exp2Syn", "Alpha", "AMPA", "NMDA", "GABAA", "GABAB", "ShortTerm", "GapJunction", "STDP", "TripletSTDP",
    "RewardSTDP", "LIF", "AdEx", "Izhikevich", "Reversal", "Fixed", "Pool", "Pump", "Shells", "Diffusive",
    "hay2011.NaTa",
}  # fmt: skip


def library(name: str) -> None:
    if name.partition(".")[0] in mech.LIBRARY:
        mech.load_library(name.partition(".")[0])


@pytest.mark.parametrize("name", sorted(KEPT))
def test_a_name_stays(name):
    found = class_of(name, library)
    assert found is not None and name_of(found) == name
    assert found.__module__.startswith("cajax.")


def test_public_mechanisms_are_meant_by_their_names():
    assert class_of("Graded") is mech.Graded and name_of(GradedSynapses) is None
    assert class_of("hh.HH") is mech.HH and class_of("pospischil2008.Na") is mech.Na


def test_a_user_s_class_goes_by_its_module():
    class Kv3(mech.Channel):
        def current(self, v):
            return 0.0 * v

    name = name_of(Kv3)
    assert name is not None and name.startswith(f"{__name__}:") and class_of(name) is Kv3


def test_no_two_classes_share_a_name():
    twin = type("Pool", (), {"__module__": "cajax.elsewhere"})
    with pytest.raises(TypeError, match="'Pool'"):
        on_disk(twin)


def test_a_library_is_loaded_for_a_file_that_needs_it(tmp_path):
    import subprocess
    import sys

    import cajax as cx

    path = tmp_path / "hay.npz"
    save = f"""
import cajax as cx
from cajax.mech.hay2011 import NaTa
from cajax.mech import Reversal
cell = cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", nat=NaTa(), na=Reversal(50.0))
cx.save({str(path)!r}, cell.discretize(cx.PerBranch(1)))
"""
    subprocess.run([sys.executable, "-c", save], check=True, timeout=120)
    load = f"import cajax as cx; print(cx.load({str(path)!r}).structure.channels[0].template)"
    out = subprocess.run(
        [sys.executable, "-c", load], check=True, timeout=120, capture_output=True, text=True
    )
    assert "NaTa" in out.stdout
    assert cx.load(path).structure.channels[0].population == ""
