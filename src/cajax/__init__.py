"""Cajax simulates biophysically detailed neurons and networks, and trains them by backpropagation."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING
from typing import Any as _Any

from .base.distributions import along as along
from .base.distributions import each as each
from .base.errors import CajaxError as CajaxError
from .base.errors import NonFiniteError as NonFiniteError
from .cell import Cell as Cell
from .engine.method import BackwardEuler as BackwardEuler
from .engine.method import Staggered as Staggered
from .engine.solution import Solution as Solution
from .inputs.clamps import Conductance as Conductance
from .inputs.clamps import Current as Current
from .inputs.clamps import IClamp as IClamp
from .inputs.clamps import TwoElectrode as TwoElectrode
from .inputs.clamps import VClamp as VClamp
from .inputs.noise import Noise as Noise
from .inputs.reward import Reward as Reward
from .inputs.spikes import Poisson as Poisson
from .inputs.spikes import Spikes as Spikes
from .model.files import load as load
from .model.files import save as save
from .model.model import Model as Model
from .morph import DLambda as DLambda
from .morph import MaxLength as MaxLength
from .morph import Morphology as Morphology
from .morph import PerBranch as PerBranch
from .morph import at as at
from .morph import ball_and_stick as ball_and_stick
from .morph import branch_order as branch_order
from .morph import center as center
from .morph import cylinder as cylinder
from .morph import every_cv as every_cv
from .morph import path_distance as path_distance
from .morph import pyramidal as pyramidal
from .morph import radius as radius
from .morph import read_morphology as read_morphology
from .morph import region as region
from .morph import root as root
from .morph import tag as tag
from .morph import terminals as terminals
from .morph import volume as volume
from .network import Network as Network
from .network import all_to_all as all_to_all
from .network import bernoulli as bernoulli
from .network import edges as edges
from .network import one_to_one as one_to_one
from .plan import Plan as Plan
from .plan import plan as plan
from .recipe.populations import SpikeSource as SpikeSource
from .record.parse import Probe as Probe
from .simulate import simulate as simulate
from .solve import Checkpointed as Checkpointed
from .solve import Direct as Direct
from .solve import Truncated as Truncated
from .train import Free as Free
from .train import bounded as bounded
from .train import check_gradient as check_gradient
from .train import features as features
from .train import fit as fit
from .train import positive as positive
from .train import unbounded as unbounded

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import fitting as fitting
    from .fitting.recordings import read_recording as read_recording
    from .formats import from_neuron as from_neuron
    from .formats import read_mod as read_mod
    from .formats import to_neuron as to_neuron

_LATER = {
    "read_recording": ".fitting.recordings",
    "from_neuron": ".formats",
    "read_mod": ".formats",
    "to_neuron": ".formats",
}
"""What only some programs use is imported when it is first asked for: name → where it is."""


def __getattr__(name: str) -> _Any:
    if name == "fitting":
        return _import_module(".fitting", __name__)
    if name in _LATER:
        return getattr(_import_module(_LATER[name], __name__), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def _class_of_mod(text: str) -> type:
    """Return the class that the text of a .mod file defines, for saved models that hold it."""
    return _import_module(".formats.mod.read", __name__).class_of_text(text)


_import_module(".base.names", __name__).defines("mod", _class_of_mod)
