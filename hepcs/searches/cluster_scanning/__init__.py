"""Cluster Scanning (arXiv:2402.17714)."""
