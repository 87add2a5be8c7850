"""Pseudo-experiments on many workers, recorded as they end."""
