"""Morphologies from files: SWC, Neurolucida ASC, BlueBrain H5, read as NEURON's Import3D reads them."""
