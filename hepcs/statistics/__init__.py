"""Significances, BumpHunter, robust estimators and tests of normality."""
