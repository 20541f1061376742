"""Features of recorded and simulated voltages: eFEL's, differentiable, and how far a model is from measured ones."""

from .catalogue import FEATURES as FEATURES
from .efeatures import efeatures as efeatures
