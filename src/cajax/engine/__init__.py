"""The engine: what a time step is made of, and how it is taken."""

from .links import Drive as Drive
from .links import Link as Link
from .method import BackwardEuler as BackwardEuler
from .method import Method as Method
from .method import Staggered as Staggered
from .moment import Moment as Moment
from .moment import State as State
from .part import Load as Load
from .part import Part as Part
from .physics import Physics as Physics
from .physics import bind as bind
from .sites import Sites as Sites
from .solution import Solution as Solution
