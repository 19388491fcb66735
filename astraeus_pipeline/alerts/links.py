"""The page that shows what an alert is about, with the same filters."""

from __future__ import annotations

from urllib.parse import urlencode

from astraeus_pipeline.contracts.alerting import Alert

# The app's pages; the Costs page reads dates, currency, basis and filters from its address.
_COSTS = "costs"
_PAGE_FILTERS = ("provider", "category", "service", "account", "sub_account", "region", "charge")


def page(alert: Alert, app_url: str | None) -> str:
    """Return the address of the Costs page; without the app's own, its part after the host."""
    days = list(dict.fromkeys((str(alert.period_start), str(alert.period_end))))
    parameters: dict[str, list[str]] = {"period": ["Custom"], "dates": days}
    if alert.billing_currency:
        parameters["ccy"] = [alert.billing_currency]
    if alert.cost_type:
        parameters["basis"] = [alert.cost_type.capitalize()]
    parameters |= {key: alert.scope[key] for key in _PAGE_FILTERS if key in alert.scope}
    return f"{(app_url or '').rstrip('/')}/{_COSTS}?{urlencode(parameters, doseq=True)}"
