"""Files that a person attaches: what they are, and what is read of them, apart from the marts."""
