"""The command: ``python -m hepcs.analysis CARD``."""
