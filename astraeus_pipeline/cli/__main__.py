"""`python -m astraeus_pipeline.cli`."""

from astraeus_pipeline.cli import main

main()
