"""Model-independent searches in dijet data; its heart is Cluster Scanning."""

from importlib.metadata import version

__version__ = version("hepcs")
