"""Every recipe on every shape: it builds, its values lie within its bounds, it runs; and what a user may get wrong."""

import jax
import numpy as np
import pytest

import cajax as cx
from cajax.fitting import recipes
from cajax.train.free import matching
from tests.helpers import raises

RECIPES = {
    "passive": recipes.passive,
    "hh": recipes.hh,
    "cortical": lambda morph, **more: recipes.hh(morph, kind="cortical", **more),
    "allen": recipes.allen_perisomatic,
    "smooth": lambda morph, **more: recipes.allen_perisomatic(morph, spiny=False, **more),
    "hay": recipes.hay,
    "synthetic": lambda morph, **more: recipes.hay(morph, problem="synthetic", membrane=True, **more),
}
SHAPES = {
    "cylinder": lambda: cx.cylinder(20.0, 10.0),
    "ball and stick": cx.ball_and_stick,
    "pyramidal": lambda: cx.pyramidal(0, tips=8, stems=2),
    "without axon": lambda: cx.pyramidal(0, tips=8, stems=2, axon=False),
}
every = pytest.mark.parametrize("make", RECIPES.values(), ids=RECIPES)


def checked(recipe: recipes.Recipe) -> None:
    """The model has every free parameter, within its bounds, and what makes up its passive membrane."""
    model = recipe.model
    theta = recipe.free.init(model)  # raises for a value outside its bounds
    assert set(theta) == set(recipe.free.globs) <= set(model.params)
    for glob in recipe.passive:
        assert matching(glob, model.params), glob
    assert "soma" in model.structure.layouts[0].labels and len(model.structure.sites("soma").shape) == 0
    assert recipe.source and all(0 < len(note) < 120 and "\n" not in note for note in recipe.notes)


@pytest.mark.parametrize("shape", SHAPES)
def test_recipes_fit_any_built_in_shape(shape):
    for make in RECIPES.values():
        checked(make(SHAPES[shape](), policy=cx.PerBranch(1)))


@every
def test_a_recipe_runs(make):
    recipe = make(SHAPES["without axon"](), policy=cx.PerBranch(1))
    step = cx.IClamp("soma", delay=0.5, dur=1.0, amp=0.1)
    v = cx.simulate(recipe.model, t1=2.0, dt=0.1, inputs=[step])["v"]
    assert np.isfinite(v).all() and v[-1] != v[0]


FILES = [
    "arbor_pyramidal.swc", "braincell_purkinje_pc.asc", "dendrotweaks_park2019_l23.swc",
    "dendrotweaks_poirazi2003_ca1.swc", "neurom_Neuron.swc", "neurom_simple.swc", "ca1/n120.swc", "ca1/n140.swc",
    "ca1/morph_ca1_n120.swc", "ca1/morph_ca1_n120_250.swc", "ca1/morph_ca1_n120_250_single_point_soma.swc",
    "corner_cases/morph_single_branch.swc", "corner_cases/morph_multiple_roots.swc",
    "corner_cases/morph_interrupted_soma.swc", "corner_cases/morph_minimal.swc", "corner_cases/morph_3_types.swc",
    "corner_cases/morph_3_types_single_point_soma.swc", "corner_cases/morph_non_somatic_branchpoint.swc",
    "corner_cases/morph_variable_radiuses_within_branch.swc",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::cajax.base.errors.CajaxWarning")
@pytest.mark.parametrize("file", FILES)
def test_recipes_fit_any_file(file, shared):
    morph = cx.read_morphology(shared / "morphologies" / file)
    for name in ("hh", "allen", "hay", "synthetic"):
        checked(RECIPES[name](morph, policy=cx.PerBranch(1)))


def test_a_recipe_is_a_cell_and_the_policy_of_its_model():
    recipe = recipes.passive(cx.ball_and_stick())
    assert recipe.policy == cx.MaxLength(40.0)
    assert len(recipe.model.cvs) == len(recipe.cell.discretize(recipe.policy).cvs)
    assert recipe.model is recipe.model
    assert repr(recipe).startswith("Recipe(4 free parameters on Morphology(2 branches")


@pytest.mark.slow
def test_the_gradient_reaches_every_free_parameter():
    """None is painted where it does nothing, under a step that makes the cell spike."""
    for make in (recipes.hay, recipes.allen_perisomatic):
        recipe = make(cx.pyramidal(3, tips=8, stems=2), policy=cx.PerBranch(1))
        step = cx.IClamp("soma", delay=1.0, dur=7.0, amp=2.0)

        def voltage(theta, recipe=recipe, step=step):
            model = recipe.free.apply(recipe.model, theta)
            return (cx.simulate(model, t1=8.0, dt=0.05, inputs=[step])["v"] ** 2).mean()

        theta = {path: x + 0.1 for path, x in recipe.free.init(recipe.model).items()}
        slopes = jax.grad(voltage)(theta)
        assert all(np.isfinite(x) and x != 0.0 for x in slopes.values()), slopes


@every
def test_what_is_no_morphology_is_refused(make):
    raises(lambda: make(cx.Cell(cx.ball_and_stick())), "morph must be", "read_morphology(path)")


def test_wrong_words_and_numbers_are_refused():
    morph = cx.ball_and_stick()
    raises(lambda: recipes.hh(morph, kind="frog"), "'frog'", "'squid'", "'cortical'")
    raises(lambda: recipes.hay(morph, problem=3), "problem = 3", "'recording'")
    raises(lambda: recipes.hay(morph, temperature=-300.0), "temperature", "above -273.15")
    raises(lambda: recipes.allen_perisomatic(morph, temperature="warm"), "temperature")
    raises(lambda: recipes.allen_perisomatic(morph, policy=3), "not a discretization")
