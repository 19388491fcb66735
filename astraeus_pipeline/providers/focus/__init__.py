"""FOCUS files (1.0, 1.1, 1.2) in a folder, an S3 bucket or an Azure container."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import ClassVar, Final

import structlog
from pydantic import BaseModel, ValidationError

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.columns import Dataset, RawTable
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import ControlTotal, Fetched, Landing, Part, RowBatch
from astraeus_pipeline.contracts.focus import FOCUS_COSTS
from astraeus_pipeline.contracts.windows import open_months
from astraeus_pipeline.errors import ConfigError, NotObtainable, PermanentError
from astraeus_pipeline.exports import reading, selection, versions
from astraeus_pipeline.exports.contents import Inspector
from astraeus_pipeline.exports.focus import focus_dialect, guess_version
from astraeus_pipeline.exports.store import FileStore, StoredFile, open_store
from astraeus_pipeline.exports.tables import OpenFile
from astraeus_pipeline.providers.base import CredentialField, Identity, Provider
from astraeus_pipeline.providers.focus.config import FocusConfig

_LAST_DAY_OF_DAILY_REREAD: Final = 15
_DIALECT: Final = focus_dialect(FOCUS_COSTS)

__all__ = ["FOCUS", "FocusConfig", "FocusProvider"]


class FocusProvider(Provider):
    """Bills as files: each billing month's current files replace that month whole."""

    key: ClassVar = "focus"
    label: ClassVar = "FOCUS files"
    tables: ClassVar[dict[Dataset, RawTable]] = {"costs": FOCUS_COSTS}
    config_model: ClassVar[type[BaseModel]] = FocusConfig
    settle_days: ClassVar = 3
    credential_fields: ClassVar = (
        CredentialField("aws_access_key_id", "AWS access key id"),
        CredentialField("aws_secret_access_key", "AWS secret access key"),
        CredentialField("aws_session_token", "AWS session token"),
        CredentialField("azure_connection_string", "Azure storage connection string"),
        CredentialField("azure_account_key", "Azure storage account key"),
        CredentialField("azure_sas_token", "Azure shared access signature"),
    )

    def restatement_window(self, today: date, dataset: Dataset = "costs") -> DayRange:
        """Return the open month, and the previous one until day 15, then on Mondays only."""
        return open_months(today, closes_on=_LAST_DAY_OF_DAILY_REREAD)

    def check(self, account: Account) -> Identity:
        """List the files and read the header of the newest.

        Raises: AuthError, ConfigError, TransientError; PayloadError if that file is no FOCUS file.
        """
        store, _ = _open_store(account)
        listing = store.list()
        files = [each for each in listing if each.media_type]
        if not files:
            raise ConfigError(f"{store.url}: {selection.describe(listing)}.")
        newest = max(files, key=lambda each: each.modified)
        names = _header(store, newest)
        months = sorted({hint for each in files if (hint := versions.month_hint(each.path))})
        version = guess_version(_DIALECT, names)
        return Identity(
            f"{len(files)} files with FOCUS {version} columns at {store.url}",
            {
                "files": str(len(files)),
                "bytes": str(sum(each.size for each in files)),
                "version": version,
                "header read from": newest.path,
                "months in folder names": ", ".join(f"{each:%Y-%m}" for each in months) or "none",
            },
        )

    def fetch(
        self, account: Account, dataset: Dataset, days: DayRange, landing: Landing
    ) -> Iterator[Fetched]:
        """Yield one delivery for each billing month that `days` touch and that files hold.

        `days` of the delivery run from the month's first day to its last, or to the later of the
        last day asked for and the last day charged, where the month is not over yet.
        Raises: PermanentError if no file holds any of the months; PayloadError for a file that is
        cut off, contradicts its manifest or lacks mandatory columns; AuthError, ConfigError,
        TransientError.
        """
        if dataset != "costs":
            raise NotObtainable(f"FOCUS files hold costs, not {dataset} (account {account.slug}).")
        store, config = _open_store(account)
        inspector = Inspector(store, config.date_order, _DIALECT, landing)
        parts: dict[StoredFile, Part] = {}
        try:
            for found in selection.select(store, store.list(), days, inspector):
                for file in found.files:
                    if file not in parts:
                        parts[file] = reading.land(store, file, landing)
                unique = {parts[file].sha256: parts[file] for file in reversed(found.files)}
                data = tuple(reversed(unique.values()))
                yield Fetched(
                    account_id=account.slug,
                    dataset=dataset,
                    days=_days(found, days),
                    source="file",
                    source_name=store.url,
                    parts=reading.with_order(data, config.date_order, landing),
                    billing_period=found.month,
                    controls=tuple(_controls(found)),
                    expected_rows=found.expected_rows if len(data) == len(found.files) else None,
                )
        except PermanentError as error:
            raise type(error)(
                f"Account {account.slug}: {error.message}", hint=error.hint
            ) from error

    def rows(self, fetched: Fetched, landing: Landing) -> Iterator[RowBatch]:
        """Type the stored files into batches of raw.focus_costs, rows of the delivery's month only.

        `row_number` counts the rows of all parts, those of other months included.
        Raises: PayloadError if a part is cut off, or not what its name says.
        """
        notes = yield from reading.rows(fetched, landing, lambda _: _DIALECT)
        if notes.counts.total():
            structlog.get_logger(__name__).info(
                "focus.normalised",
                account=fetched.account_id,
                billing_period=str(fetched.billing_period),
                **notes.counts,
            )


def _open_store(account: Account) -> tuple[FileStore, FocusConfig]:
    try:
        config = FocusConfig.model_validate(dict(account.config))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'config'}: {each['msg']}"
            for each in error.errors(include_input=False, include_url=False)
        )
        raise ConfigError(
            f"The configuration of account {account.slug} is wrong: {problems}."
        ) from error
    return open_store(config, account.open_secrets()), config


def _header(store: FileStore, file: StoredFile) -> list[str]:
    assert file.media_type is not None  # noqa: S101  # only such files are handed in
    with OpenFile(file.path, file.media_type, lambda: store.open(file)).read() as table:
        _DIALECT.match(table.names, file.path)
        return table.names


def _controls(found: selection.MonthFiles) -> Iterator[ControlTotal]:
    """Yield what the month's manifest says that its files sum to: the same figures, so exactly."""
    for day, currency, cost_type, amount in found.totals:
        days = DayRange.of_month(found.month) if day is None else DayRange(day, day)
        yield ControlTotal(days, currency, cost_type, amount, "manifest of the files")


def _days(found: selection.MonthFiles, asked: DayRange) -> DayRange:
    month = DayRange.of_month(found.month)
    latest = max(asked.last, found.last_day or asked.last)
    return DayRange(month.first, max(month.first, min(month.last, latest)))


FOCUS: Final = FocusProvider()
