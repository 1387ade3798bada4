"""Rehost: online server migration that proves its result."""

__version__ = "0.1.0"
