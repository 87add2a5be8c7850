"""Sources of events, one module for each kind of input."""
