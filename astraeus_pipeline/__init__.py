"""Astraeus: multi-cloud cost and resource data, tied to the provider's own totals."""
