"""Simulated sources as far as no rows are made: the language of their expressions."""
