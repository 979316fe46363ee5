"""OdibiEats: generated data of a food-delivery company, with the ground truth beside it."""

from .generate import Summary, generate
from .mess import Mess

__all__ = ["Mess", "Summary", "generate"]
