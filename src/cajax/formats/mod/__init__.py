"""NMODL: mechanisms of NEURON as classes of our own."""

from .read import class_of_text as class_of_text
from .read import read_mod as read_mod
