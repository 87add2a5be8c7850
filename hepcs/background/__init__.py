"""Background estimates from the m_jj spectrum itself: dijet functions and their fits.

:func:`dijet_function` is the curve, :func:`fit_dijet` the fit by iminuit, whose result a search uses, and
:func:`irls_dijet` an independent fit of many spectra at once, for cross-checks and start values.
:func:`scan_masses` fits it together with a signal template, at each of several masses.
How good such a function is, others say:

=========================  ============================================================================
question                   answer
=========================  ============================================================================
how many parameters?       :func:`compare_orders`: F-test between 3, 4 and 5 nested parameters
does the function fit?     :func:`goodness_of_fit`: chi2 and likelihood ratio, their p-values from toys
does the choice matter?    :func:`spurious_signal`: one family fitted to toys of another
=========================  ============================================================================
"""

from hepcs.background.fitting import DijetFit, fit_dijet
from hepcs.background.functions import dijet_function
from hepcs.background.irls import IrlsFits, irls_dijet
from hepcs.background.mass_scan import MassScan, MassScans, scan_masses, scan_masses_many
from hepcs.background.templates import SignalTemplates, gaussian_templates, sample_templates

__all__ = [
    "DijetFit",
    "IrlsFits",
    "MassScan",
    "MassScans",
    "SignalTemplates",
    "dijet_function",
    "fit_dijet",
    "gaussian_templates",
    "irls_dijet",
    "sample_templates",
    "scan_masses",
    "scan_masses_many",
]
