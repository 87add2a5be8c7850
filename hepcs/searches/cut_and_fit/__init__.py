"""Score and cut: every event gets a score, the highest share is kept, and its m_jj spectrum is fitted.

========================  =====================================================================================
step                      where
========================  =====================================================================================
windows and sidebands     :func:`~hepcs.searches.cut_and_fit.windows.sliding_windows`
scores of held-out folds  :func:`~hepcs.searches.cut_and_fit.folded.out_of_fold_scores`
scores without m_jj       :mod:`~hepcs.searches.cut_and_fit.decorrelation`
cuts, fold by fold        :func:`~hepcs.searches.cut_and_fit.cuts.keep_highest`
fit without the window    :func:`~hepcs.searches.cut_and_fit.window_fit.fit_outside`
local Z, largest one      :func:`~hepcs.searches.cut_and_fit.scan.scan_cuts`
from scores to the test   :func:`~hepcs.searches.cut_and_fit.scan.scan_scores`
sculpting and bias        :mod:`~hepcs.searches.cut_and_fit.bias`
what a score is of        :mod:`~hepcs.searches.cut_and_fit.training`
the search, a new kind    :mod:`~hepcs.searches.cut_and_fit.search`, :mod:`~hepcs.searches.cut_and_fit.kind`
========================  =====================================================================================

Sources: CWoLa hunting, Collins, Howe, Nachman, PRL 121 (2018) 241803 and PRD 99 (2019) 014038. The largest local Z
is a test statistic, to be calibrated by pseudo-experiments; it is no result by itself.
"""
