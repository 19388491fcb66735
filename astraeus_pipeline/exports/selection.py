"""From a listing to deliveries: per billing month, the files to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import PayloadError, PermanentError
from astraeus_pipeline.exports import manifests, versions
from astraeus_pipeline.exports.contents import Contents, Inspector, MonthContents
from astraeus_pipeline.exports.manifests import Manifest, Total
from astraeus_pipeline.exports.store import Store, StoredFile


@dataclass(frozen=True)
class MonthFiles:
    """The current files of one billing month, the last day they charge for, rows if announced.

    `totals` are what manifests state of just these files.
    """

    month: date
    files: tuple[StoredFile, ...]
    last_day: date | None
    expected_rows: int | None
    totals: tuple[Total, ...] = ()


def select(
    store: Store, listing: list[StoredFile], days: DayRange, inspector: Inspector
) -> Iterator[MonthFiles]:
    """Yield the months that `days` touch and that files hold, in order.

    Raises: PayloadError (see versions and manifests); PermanentError if no month has a file.
    """
    months = list(days.months())
    known = [
        manifests.parse(each, b"".join(store.chunks(each)), listing)
        for each in listing
        if manifests.is_manifest(each)
    ]
    found = [each for month in months if (each := _month_files(month, known, listing, inspector))]
    if not found:
        raise PermanentError(
            f"{store.url} holds no file of {months[0]:%Y-%m}"
            + (f" to {months[-1]:%Y-%m}" if months[1:] else "")
            + f"; {describe(listing)}.",
            hint="Check the url, the `files` glob and the days asked for.",
        )
    yield from found


def describe(listing: list[StoredFile]) -> str:
    """Say in a few words what a listing holds."""
    readable = [each.path for each in listing if each.media_type]
    if not readable:
        return f"no CSV, CSV.gz or Parquet file was found among {len(listing)} files"
    more = f" and {len(readable) - 3} more" if len(readable) > 3 else ""
    return f"found {', '.join(readable[:3])}{more}"


def _month_files(
    month: date, known: list[Manifest], listing: list[StoredFile], inspector: Inspector
) -> MonthFiles | None:
    governing = _newest_by_scope(month, known, inspector)
    listed = {file for manifest in known for file in manifest.files}
    loose = [
        file
        for file in listing
        if file.media_type
        and file not in listed
        and not any(manifest.governs(file) for manifest in governing)
    ]
    holding = _holding(month, loose, inspector)
    files = versions.current(holding)
    for manifest in governing:
        files += [file for file in manifest.files if _held(month, file, inspector) is not None]
    if not files and not governing:
        return None
    held = [_held(month, file, inspector) for file in files]
    return MonthFiles(
        month,
        tuple(dict.fromkeys(files)),
        max((each.last_day for each in held if each and each.last_day), default=None),
        None if loose and holding else _expected(governing, inspector),
        () if (loose and holding) or len(governing) != 1 else governing[0].totals,
    )


def _newest_by_scope(month: date, known: list[Manifest], inspector: Inspector) -> list[Manifest]:
    newest: dict[str, Manifest] = {}
    for manifest in sorted(known, key=lambda each: (each.written, each.path)):
        if _covers(manifest, month, inspector):
            newest[manifest.scope] = manifest
    return list(newest.values())


def _covers(manifest: Manifest, month: date, inspector: Inspector) -> bool:
    if manifest.month is not None:
        return manifest.month == month
    return any(_held(month, file, inspector) for file in manifest.files)


def _holding(
    month: date, files: Iterable[StoredFile], inspector: Inspector
) -> dict[StoredFile, MonthContents]:
    pairs = ((file, _held(month, file, inspector)) for file in files)
    return {file: held for file, held in pairs if held is not None}


def _held(month: date, file: StoredFile, inspector: Inspector) -> MonthContents | None:
    """Return what a file holds of a month; a folder's month spares a look into the file."""
    hint = versions.month_hint(file.path)
    if hint is not None and hint != month:
        return None
    contents = inspector.inspect(file)
    _refuse_strangers(file, contents, hint)
    if contents.rows == 0 and hint == month:
        return MonthContents(0)
    if contents.rows and not contents.months:
        raise PayloadError(f"{file.path}: the BillingPeriodStart of none of its rows can be read.")
    return contents.months.get(month)


def _refuse_strangers(file: StoredFile, contents: Contents, hint: date | None) -> None:
    """Refuse a file whose folder names one month and whose rows name another.

    Its rows would be missed whenever that other month is fetched, and no one would be told.
    """
    strangers = [month for month in contents.months if hint is not None and month != hint]
    if hint is not None and strangers:
        raise PayloadError(
            f"{file.path} lies in the folder of {hint:%Y-%m}, but holds rows of "
            f"{', '.join(f'{month:%Y-%m}' for month in sorted(strangers))}.",
            hint="Name the folder by the billing month of its rows, or not by a month.",
        )


def _expected(governing: list[Manifest], inspector: Inspector) -> int | None:
    """Return the rows that manifests announce, where each of their files holds one month only."""
    total = 0
    for manifest in governing:
        for file, rows in manifest.files.items():
            if rows is None or len(inspector.inspect(file).months) > 1:
                return None
            if rows != inspector.inspect(file).rows:
                raise PayloadError(
                    f"{file.path} has {inspector.inspect(file).rows} rows where {manifest.path} "
                    f"announces {rows}.",
                    hint="It is cut off or still being written: fetch again later.",
                )
            total += rows
    return total if governing else None
