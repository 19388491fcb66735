"""Alembic's scripts for schemas raw (the ledger) and app."""
