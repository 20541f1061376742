"""Lowering: from recipes (what is painted where) to a `Model` (arrays and indices)."""
