"""Figures: functions that take results, return the figure, and decide nothing.

Draw inside :func:`style_context`. Figures belong to no backend: save them with ``figure.savefig``. What is special
to a kind of search is drawn beside that search; :mod:`hepcs.output.figures` draws all figures of a run.
"""

from hepcs._core.errors import MissingDependencyError
from hepcs._core.requirements import pip_install

try:
    import matplotlib  # noqa: F401
    import mplhep  # noqa: F401
    import PIL  # noqa: F401
except ImportError as error:
    raise MissingDependencyError(
        "matplotlib, with mplhep and pillow (the extra hepcs[plot]),",
        "to draw figures",
        pip_install("matplotlib", "mplhep", "pillow"),
    ) from error

from hepcs.plots.calibration import CalibrationPanel, calibration_distribution, calibration_panels
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
from hepcs.plots.side_by_side import Compared, searches_side_by_side
from hepcs.plots.spectrum import mass_spectrum
from hepcs.plots.style import Caption, ExperimentLabel, style_context

__all__ = [
    "CalibrationPanel",
    "Caption",
    "Compared",
    "ExperimentLabel",
    "Improvement",
    "SensitivityCurve",
    "average_images",
    "average_panels",
    "calibration_distribution",
    "calibration_panels",
    "doped_curve",
    "exclusion",
    "mass_spectrum",
    "nonzero_pixels",
    "pixel_counts",
    "searches_side_by_side",
    "sensitivity_curves",
    "study_curve",
    "study_improvement",
    "style_context",
    "upper_limit_bands",
]
