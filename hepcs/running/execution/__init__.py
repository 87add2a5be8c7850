"""Where the work runs."""

from hepcs.running.execution.local import local_mapper
from hepcs.running.execution.opening import Engine, open_execution

__all__ = ["Engine", "local_mapper", "open_execution"]
