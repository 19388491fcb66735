"""Dagster: the only place beside definitions.py that knows it."""

import warnings

from dagster import BetaWarning

# Backfills in one run are what makes a year of days cheap; the policy is called beta upstream.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=BetaWarning)
