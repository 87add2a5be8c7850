"""Events from Pythia 8, with a simple detector."""
