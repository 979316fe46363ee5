"""Dimensional patterns: the same register as transformers, each builds a whole table at once."""
