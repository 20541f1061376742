"""The engine: what a time step is made of, and how it is taken."""
