"""Figures: functions that take results, return the figure, and decide nothing.

Draw inside :func:`style_context`; :func:`make_figures` does, for all figures of a run. Figures belong to no
backend: save them with ``figure.savefig``.
"""

from hepcs.plots.calibration import calibration_distribution
from hepcs.plots.figures import DRAWERS, Drawer, Entry, make_figures
from hepcs.plots.images import average_images, average_panels
from hepcs.plots.scanning import normalised_spectra, signal_rich_and_poor, standardised_spectra
from hepcs.plots.spectrum import fitted_spectrum
from hepcs.plots.style import ExperimentLabel, style_context

__all__ = [
    "DRAWERS",
    "Drawer",
    "Entry",
    "ExperimentLabel",
    "average_images",
    "average_panels",
    "calibration_distribution",
    "fitted_spectrum",
    "make_figures",
    "normalised_spectra",
    "signal_rich_and_poor",
    "standardised_spectra",
    "style_context",
]
