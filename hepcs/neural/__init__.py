"""Networks in JAX: one training loop for all searches that train some.

========================  =====================================================================================
step                      where
========================  =====================================================================================
the libraries             :mod:`~hepcs.neural.backend`: imports JAX, Equinox and Optax, on one thread
as many nets as groups    :func:`~hepcs.neural.stacking.stacked`
training them together    :func:`~hepcs.neural.training.fit`
what they say             :func:`~hepcs.neural.stacking.evaluate`
layers                    :mod:`~hepcs.neural.layers`
loss of independence      :func:`~hepcs.neural.independence.distance_correlation`
settings                  :class:`~hepcs.neural.settings.TrainingSettings`, free of JAX
features as densities     :func:`~hepcs.neural.scaling.logit_scaling`: like them, without edges and gaps
a flow, given m_jj        :mod:`~hepcs.neural.flows`; densities and samples: :mod:`~hepcs.neural.densities`
a flow on a manifold      :mod:`~hepcs.neural.manifolds`
objects without order     :class:`~hepcs.neural.transformer.Transformers`
learned without labels    :mod:`~hepcs.neural.contrastive`: views of one event alike, anomalies far away
========================  =====================================================================================

Folds, windows and the members of an ensemble are groups of one batched computation: all nets of a stack look at
the same arrays, each with weights of its own.

A module with networks begins with ``from hepcs.neural.backend import eqx, jax, jnp``, and is imported by a search
only when it is trained: cards are read without JAX.
"""
