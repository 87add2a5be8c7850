"""Figures: functions that take results, return the figure, and decide nothing.

Draw inside :func:`style_context`; :func:`make_figures` does, for all figures of a run. Figures belong to no
backend: save them with ``figure.savefig``.
"""

from hepcs.plots.calibration import CalibrationPanel, calibration_distribution, calibration_panels
from hepcs.plots.figures import DRAWERS, Drawer, Entry, make_figures
from hepcs.plots.images import average_images, average_panels
from hepcs.plots.limits import exclusion, upper_limit_bands
from hepcs.plots.pixels import nonzero_pixels, pixel_counts
from hepcs.plots.sensitivity import (
    Improvement,
    SensitivityCurve,
    doped_curve,
    sensitivity_curves,
    study_curve,
    study_improvement,
)
from hepcs.plots.style import ExperimentLabel, style_context
from hepcs.searches.cluster_scanning.assumption_figures import (
    cluster_enrichment,
    deviation_distribution,
    smallest_cluster_bins,
    spectra_minus_total,
)
from hepcs.searches.cluster_scanning.spectra_figures import (
    normalised_spectra,
    signal_rich_and_poor,
    standardised_spectra,
)
from hepcs.searches.dijet_fit.figures import fitted_spectrum

__all__ = [
    "DRAWERS",
    "CalibrationPanel",
    "Drawer",
    "Entry",
    "ExperimentLabel",
    "Improvement",
    "SensitivityCurve",
    "average_images",
    "average_panels",
    "calibration_distribution",
    "calibration_panels",
    "cluster_enrichment",
    "deviation_distribution",
    "doped_curve",
    "exclusion",
    "fitted_spectrum",
    "make_figures",
    "nonzero_pixels",
    "normalised_spectra",
    "pixel_counts",
    "sensitivity_curves",
    "signal_rich_and_poor",
    "smallest_cluster_bins",
    "spectra_minus_total",
    "standardised_spectra",
    "study_curve",
    "study_improvement",
    "style_context",
    "upper_limit_bands",
]
