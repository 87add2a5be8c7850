"""Benchmarks: how fast the package is on a sample of the paper's size, each figure beside what it is held against.

``python -m analysis.benchmarks`` from the top of the repository; see the README beside this file.
"""
