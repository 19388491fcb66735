"""Summaries of a week or month of costs: when they are due, what they say, how they look."""
