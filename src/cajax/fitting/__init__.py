"""Fitting: from recordings to models of single neurons, with their uncertainty."""

from . import recipes as recipes
from .box import Box as Box
from .coupling import Coupling as Coupling
from .features import FEATURES as FEATURES
from .features import efeatures as efeatures
from .objective import Objective as Objective
from .recordings import Imaging as Imaging
from .recordings import Indicator as Indicator
from .recordings import Recording as Recording
from .recordings import RecordingError as RecordingError
from .recordings import Sweep as Sweep
from .recordings import read_imaging as read_imaging
from .recordings import read_recording as read_recording
from .search import Evolve as Evolve
from .search import Fading as Fading
from .search import Passive as Passive
from .search import Polish as Polish
from .search import Problem as Problem
from .search import Result as Result
from .search import Stage as Stage
from .search import search as search
from .terms import Features as Features
from .terms import Subthreshold as Subthreshold
from .terms import Summary as Summary
from .terms import Term as Term
from .terms import Trace as Trace
