"""What searches by densities share: flows of the background, conditional on m_jj, in folds by the event.

================================  =============================================================================
what                              where
================================  =============================================================================
keys of the card                  :class:`~hepcs.searches.densities.section.DensityCutAndFit`
folds that events keep            :class:`~hepcs.searches.densities.folds.KnownFolds`
densities outside of windows      :class:`~hepcs.searches.densities.outside.OutsideDensities`
================================  =============================================================================
"""
