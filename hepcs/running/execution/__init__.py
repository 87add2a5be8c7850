"""Where the work runs."""

from hepcs.running.execution.engine import Engine, open_execution
from hepcs.running.execution.local import local_mapper

__all__ = ["Engine", "local_mapper", "open_execution"]
