"""Readers of recordings, one file per format: each returns the sweeps as the file has them."""
