"""FOCUS conformance: charges out of the marts, through the official validator, judged."""
