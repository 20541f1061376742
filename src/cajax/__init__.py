"""Cajax simulates biophysically detailed neurons and networks, and trains them by backpropagation."""

from ._errors import CajaxError as CajaxError
from .cell import Cell as Cell
from .distributions import along as along
from .distributions import each as each
from .model import Model as Model
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
from .network import Network as Network
from .network import all_to_all as all_to_all
from .network import bernoulli as bernoulli
from .network import edges as edges
from .network import one_to_one as one_to_one
from .probe import Probe as Probe
from .protocol import Current as Current
from .protocol import IClamp as IClamp
from .protocol import VClamp as VClamp
from .simulate import Solution as Solution
from .simulate import simulate as simulate
from .solve import Checkpointed as Checkpointed
from .solve import Direct as Direct
from .step import BackwardEuler as BackwardEuler
from .step import Staggered as Staggered
from .train import Free as Free
from .train import bounded as bounded
from .train import features as features
from .train import fit as fit
from .train import positive as positive
from .train import unbounded as unbounded

__version__ = "0.1.0"
