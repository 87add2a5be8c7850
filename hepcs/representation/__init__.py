"""Learned representations of event objects: AnomalyCLR (Dillon et al., arXiv:2301.04660).

======================  =======================================================================================
step                    where
======================  =======================================================================================
reading, generating     :mod:`~hepcs.representation.loading`
augmented events        :mod:`~hepcs.representation.augmentations`
networks                :mod:`~hepcs.representation.networks`, on :mod:`hepcs.neural`
training and scores     :mod:`~hepcs.representation.training`
weights and curves      :mod:`~hepcs.representation.storing`
AUC, significance       :mod:`~hepcs.representation.performance`
a p-value               :mod:`~hepcs.representation.counting`: events above a threshold
======================  =======================================================================================
"""
