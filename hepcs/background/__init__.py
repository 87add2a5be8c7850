"""Background estimates from the m_jj spectrum itself: dijet functions and their fits.

:func:`dijet_function` is the curve, :func:`fit_dijet` the fit by iminuit, whose result a search uses, and
:func:`irls_dijet` an independent fit of many spectra at once, for cross-checks and start values.
"""

from hepcs.background.fitting import DijetFit, fit_dijet
from hepcs.background.functions import dijet_function
from hepcs.background.irls import IrlsFits, irls_dijet

__all__ = ["DijetFit", "IrlsFits", "dijet_function", "fit_dijet", "irls_dijet"]
