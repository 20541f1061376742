"""The step of a run as a compiled program: a small compiler that knows no biology."""
