"""Recipes as plain data: what is painted where, which cells there are, who projects to whom."""
