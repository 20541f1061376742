"""NEURON: a model as a folder of a script, geometry and .mod files that runs there, and the proof that it does."""
