"""Providers: SDK or file in, typed rows out. PostgreSQL and Dagster are unknown here."""
