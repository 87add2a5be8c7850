"""Background estimates from the m_jj spectrum itself: dijet functions and their fits.

:func:`dijet_function` is the curve, :func:`fit_dijet` the fit by iminuit, whose result a search uses, and
:func:`irls_dijet` an independent fit of many spectra at once, for cross-checks and start values.
:func:`compare_orders`, :func:`goodness_of_fit` and :func:`spurious_signal` say how good a function is.
"""

from hepcs.background.families import FAMILIES, Family, FamilyFits, fit_family
from hepcs.background.fitting import DijetFit, fit_dijet
from hepcs.background.functions import dijet_function
from hepcs.background.irls import IrlsFits, irls_dijet
from hepcs.background.quality import (
    FTest,
    GoodnessOfFit,
    OrderComparison,
    SpuriousSignal,
    ToyTest,
    compare_orders,
    f_test,
    goodness_of_fit,
    spurious_signal,
)

__all__ = [
    "FAMILIES",
    "DijetFit",
    "FTest",
    "Family",
    "FamilyFits",
    "GoodnessOfFit",
    "IrlsFits",
    "OrderComparison",
    "SpuriousSignal",
    "ToyTest",
    "compare_orders",
    "dijet_function",
    "f_test",
    "fit_dijet",
    "fit_family",
    "goodness_of_fit",
    "irls_dijet",
    "spurious_signal",
]
