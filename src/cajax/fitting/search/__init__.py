"""The search for parameters: stages that move a population of candidates, one front door over them."""

from .evolve import Evolve as Evolve
from .fading import Fading as Fading
from .front import search as search
from .passive import Passive as Passive
from .polish import Polish as Polish
from .problem import Problem as Problem
from .result import Result as Result
from .stage import Stage as Stage
