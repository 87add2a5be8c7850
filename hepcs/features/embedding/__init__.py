"""Embeddings: features that a network learned from events that are not searched."""
