"""OdibiEats: generated data of a food-delivery company, with the ground truth beside it."""

from .generate import Summary, be_frugal, clear, generate
from .mess import Mess

__all__ = ["Mess", "Summary", "be_frugal", "clear", "generate"]
