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
========================  =====================================================================================

Folds, windows and the members of an ensemble are groups of one batched computation: all nets of a stack look at
the same arrays, each with weights of its own.

A module with networks begins with ``from hepcs.neural.backend import eqx, jax, jnp``, and is imported by a search
only when it is trained: cards are read without JAX.
"""
