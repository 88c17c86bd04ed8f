"""What latents mean: planted truth found again, stability from seed to seed."""

from spikesieve.latents.recovery import FeaturesFound, features_found
from spikesieve.latents.stability import Stability, stability

__all__ = ["FeaturesFound", "Stability", "features_found", "stability"]
