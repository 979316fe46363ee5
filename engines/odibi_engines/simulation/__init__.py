"""Simulated sources: rows made from a description, the same on every engine. Needs numpy."""

from .landing import land

__all__ = ["land"]
