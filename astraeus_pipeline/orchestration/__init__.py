"""Dagster: the only place beside definitions.py that knows it."""
