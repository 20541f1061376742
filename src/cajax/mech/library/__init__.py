"""Mechanisms by the paper that published them; `cajax.mech.hay2011` is one of these files."""
