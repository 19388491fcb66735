"""What an account's columns mean to people: states of days and deliveries, what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

# letter, word, meaning; in the order of the legend.
DAYS: Final = {
    "final": ("F", "Final", "by the provider's own rule, or invoiced"),
    "estimated": ("E", "Estimated", "settled, but the bill is still open"),
    "partial": ("P", "Partial", "rows may still arrive"),
    "missing": ("M", "Missing", "should have come, and did not"),
    "blocked": ("B", "Blocked", "rows in quarantine or a residual keep the newest delivery out"),
    "refused": ("R", "Refused", "the delivery shrank, or is not the provider's total"),
    "not_due": ("", "Not expected", "not due yet, or before the account's first day"),
}
STATES: Final = {
    "active": ("Active", "green"),
    "paused": ("Paused", "orange"),
    "removed": ("Removed", "gray"),
}
TIE_OUT: Final = {
    "tied": ("Ties out", "green", "equal to the provider's own totals, to its rounding"),
    "accepted": ("Accepted", "blue", "a person let a residual in, with a reason"),
    "untold": ("No total", "gray", "the provider gives no total to compare with"),
    "none": ("None yet", "gray", "nothing has been compared yet"),
    "blocked": ("Residual", "red", "figures differ between layers or from the provider's total"),
}
DELIVERIES: Final = {
    "loaded": ("Loaded", "green"),
    "unchanged": ("Unchanged", "gray"),
    "refused": ("Refused", "red"),
    "quarantined": ("Quarantined", "red"),
    "failed": ("Failed", "red"),
}
CHECKS: Final = {
    "control_total": "Payload and the provider's total",
    "ledger_vs_raw": "Ledger and the rows that stand",
    "raw_vs_staging": "Raw and mapped rows",
    "staging_vs_charges": "Mapped rows and charges",
    "charges_vs_daily": "Charges and daily costs",
    "daily_vs_control": "Daily costs and the provider's total",
    "invoice": "Charges and the invoice",
    "delivered_vs_standing": "Delivery and what stands",
}
_NEXT: Final = {
    "failed": "Test the connection. If that works, ingest the days again; if it does not, enter"
    " new credentials.",
    "refused": "Compare it with the provider's console. If it is right:"
    " `astraeus delivery accept {delivery}` lets it in, with a reason.",
    "quarantined": "Rows could not be read. Look at them in the Dagster run, then ingest the days"
    " again after a fix.",
}


def what_next(row: Mapping[str, Any]) -> str:
    """Say what to do about a delivery that did not go well, as Markdown."""
    return _NEXT[row["state"]].format(delivery=row["delivery_id"])


def last_load(row: Mapping[str, Any]) -> str | None:
    """Say how the newest delivery of an account ended."""
    return None if row["last_state"] is None else DELIVERIES[row["last_state"]][0]
