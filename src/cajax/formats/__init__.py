"""Models of other programs, in and out: one folder per format; the engine knows none of them."""

from .mod import read_mod as read_mod
from .neuron.export import to_neuron as to_neuron
from .neuron.living import from_neuron as from_neuron
