"""Sparse autoencoders on spike counts: ``SparseAutoencoder`` and what trains it."""

from spikesieve.sae.model import SparseAutoencoder

__all__ = ["SparseAutoencoder"]
