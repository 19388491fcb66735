"""The gate: each provider's charges exported, validated and judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psycopg

from astraeus_pipeline.conformance.export import export_charges, providers_with_charges
from astraeus_pipeline.conformance.judge import Verdict, judge
from astraeus_pipeline.conformance.policy import Policies
from astraeus_pipeline.conformance.report import read_report
from astraeus_pipeline.conformance.validator import Validator


@dataclass(frozen=True)
class NotRun:
    """A provider that could not be judged, and why. Never the same as one that passed."""

    provider: str
    reason: str


@dataclass(frozen=True)
class Gate:
    """What every provider's run needs."""

    conn: psycopg.Connection
    validator: Validator | None
    policies: Policies
    folder: Path
    today: date

    def run(self, providers: Sequence[str]) -> Iterator[Verdict | NotRun]:
        """Judge the providers one by one; files and reports stay in the folder.

        Raises: ConfigError for a provider without policy; ValidatorError if no report came out.
        """
        charged = providers_with_charges(self.conn)
        for provider in providers:
            policy = self.policies.of(provider)
            if self.validator is None:
                yield NotRun(provider, "no Python 3.12 was found: name one in FOCUS_PYTHON")
            elif provider not in charged:
                yield NotRun(provider, "the marts hold no charges of it")
            else:
                folder = self.folder / provider
                exported = export_charges(self.conn, provider, folder / "charges.parquet")
                report = self.validator.run(exported.path, policy.criteria, folder)
                yield judge(
                    provider,
                    exported.rows,
                    read_report(report, self.validator.rules_file),
                    policy,
                    self.policies.waivers_of(provider),
                    self.today,
                )
