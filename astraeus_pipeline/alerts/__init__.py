"""Alerts on their way to people: what they say, when they leave, and through what."""
