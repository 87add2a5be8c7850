"""Samples, and the data sets drawn from them: which events, how often."""
