"""From a test statistic to a p-value and a significance, by background-only pseudo-experiments.

What to quote when, for k of the N background-only statistics at or above the observed one:

===================  =============================  =================================================
k                    quote                          because
===================  =============================  =================================================
10 and more          ``z`` [``z_low``, ``z_high``]  p = k / N, with its Clopper-Pearson interval
1 to 9               ``z_smoothed`` and interval    (k + 1) / (N + 1) is a valid p-value for any k,
                                                    k / N is not: it is too small too often
0                    "Z > ``z_lower_95`` (95 %)"    nothing was seen; N alone limits p
0, next to that      ``z``, written as ``>``        the paper's bound 1 / N (eq. 3.4), for comparison.
                                                    As an upper limit on p it holds at 63 % only
0, beside the bound  :func:`extrapolate_tail`       ``z_conservative`` if ``quotable``, called an
                                                    extrapolation, never instead of the bound
N                    "Z < ``z``"                    the mirror image of k = 0
===================  =============================  =================================================

Several searches of the same data sets have one p together: :func:`combine`. Sets of pseudo-experiments are
summarised by :func:`median_and_quartiles`, which knows when a median is a bound.
"""

from hepcs.calibration.combination import Combination, combine, combine_many
from hepcs.calibration.counting import Bound, Calibration, calibrate, calibrate_many
from hepcs.calibration.summary import Quantile, ZSummary, median_and_quartiles
from hepcs.calibration.tail import (
    ParetoTail,
    TailExtrapolation,
    extrapolate_tail,
    fit_pareto_tail,
    pareto_tail,
)

__all__ = [
    "Bound",
    "Calibration",
    "Combination",
    "ParetoTail",
    "Quantile",
    "TailExtrapolation",
    "ZSummary",
    "calibrate",
    "calibrate_many",
    "combine",
    "combine_many",
    "extrapolate_tail",
    "fit_pareto_tail",
    "median_and_quartiles",
    "pareto_tail",
]
