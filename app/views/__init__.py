"""The pages: layout and wording, no SQL and no sums."""
