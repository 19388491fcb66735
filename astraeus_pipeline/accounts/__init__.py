"""Accounts in schema app: who is ingested, with which sealed credentials."""
