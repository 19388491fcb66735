"""The code location that workspace.yaml names. Loads without network or database."""

from __future__ import annotations

from astraeus_pipeline.orchestration.code_location import build_definitions

defs = build_definitions()
