"""The packages, which are found rather than listed; everything else stands in pyproject.toml."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["hepcs", "hepcs.*"]), "hepcs.data_cards"])
