"""Years of daily schedules, compressed in time; see `__main__`."""
