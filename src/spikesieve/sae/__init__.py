"""Sparse autoencoders on spike counts: ``SparseAutoencoder`` and what trains it."""

__all__ = ["SparseAutoencoder"]


def __getattr__(name: str):
    # When asked for: settings are checked at each start of the workflow, and need no torch.
    if name == "SparseAutoencoder":
        from spikesieve.sae.model import SparseAutoencoder

        return SparseAutoencoder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
