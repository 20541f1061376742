"""Features of recorded and simulated voltages: eFEL's, differentiable; their mean and deviation over repeats."""

from .catalogue import FEATURES as FEATURES
from .efeatures import efeatures as efeatures
from .measured import measure as measure
