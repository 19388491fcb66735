"""Faults of every kind on a running installation, and what must hold after each."""
