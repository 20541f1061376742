"""NMODL: mechanisms of NEURON as classes of our own."""

from .read import read_mod as read_mod
