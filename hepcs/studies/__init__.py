"""What studies ask of finished runs and of fits; no run needs it.

===========================================  =========================================================
how sensitive is a search, against another?  ``sensitivity``, ``crossing``, ``comparison``, ``readings``
what do several searches find together?      ``combined``
how large is the signal?                     ``signal_size``
what is excluded?                            ``limits``
are p-values uniform?                        ``uniformity``
does a function describe the background?     ``goodness``, ``orders``, ``families``, ``spurious``
are deviations normal?                       ``normality``
===========================================  =========================================================
"""
