"""Where the work runs."""

from hepcs.execution.local import local_mapper

__all__ = ["local_mapper"]
