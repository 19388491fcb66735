"""A summary in words, section by section: the same for the HTML page and the plain text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.summaries import links
from astraeus_pipeline.summaries.figures import (
    Comparison,
    Figures,
    Late,
    Scope,
    ServiceCost,
)
from astraeus_pipeline.summaries.periods import spell

_TENTH: Final = Decimal("0.1")
_PERIODS: Final = {"week": "Weekly", "month": "Monthly"}
_BUDGET_STATES: Final = {
    "over": "over: it is spent",
    "forecast_over": "forecast to be passed",
    "at_risk": "at risk",
    "on_track": "on track",
    "no_data": "no day came",
}
_UNKNOWN: Final = "n/a"


@dataclass(frozen=True)
class Row:
    """A row of a table; its first cell leads to `link`."""

    cells: tuple[str, ...]
    link: str | None = None


@dataclass(frozen=True)
class Section:
    """Sentences, then a table, a picture (content id and its words) and a link (words, address)."""

    title: str
    lines: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    image: str | None = None
    alt: str = ""
    link: tuple[str, str] | None = None


@dataclass(frozen=True)
class Told:
    """All that is said; `warnings` come before any figure."""

    subject: str
    title: str
    warnings: tuple[str, ...]
    sections: tuple[Section, ...]
    foot: str


def tell(figures: Figures, app_url: str | None, images: Sequence[str] = ()) -> Told:
    """Return the words; `images` are the content ids of the two pictures, by day and cumulative."""
    title = f"{_PERIODS[figures.period]} costs: {figures.name}, {spell(figures.days)}"
    by_day, cumulative = images if images else (None, None)
    sections = (
        _total(figures, app_url, cumulative),
        _days(figures, app_url, by_day),
        _services(figures, app_url),
        *_movers(figures, app_url),
        _budgets(figures, app_url),
        _anomalies(figures, app_url),
        _forecast(figures),
        _savings(figures, app_url),
        _data(figures, app_url),
    )
    said = "unknown" if figures.cost is None else amount(figures.cost, figures.scope)
    change = f", {percent(figures.before.growth)}" if figures.before.growth is not None else ""
    state = "Incomplete: " if figures.late else ""
    return Told(
        subject=f"{state}{title}: {said}{change}",
        title=title,
        warnings=_warnings(figures),
        sections=sections,
        foot=_foot(figures),
    )


def plain(told: Told) -> str:
    """Return the words as text, tables as lines."""
    parts = [told.title, *told.warnings]
    for section in told.sections:
        lines = [section.title.upper(), *section.lines]
        lines += [" | ".join(section.columns)] if section.rows else []
        lines += [" | ".join(row.cells) for row in section.rows]
        lines += [": ".join(section.link)] if section.link else []
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, told.foot]) + "\n"


def amount(value: Decimal | None, scope: Scope) -> str:
    """Spell an amount of the scope's currency; n/a where it is not known."""
    return _UNKNOWN if value is None else money.spelled(value, scope.billing_currency)


def signed(value: Decimal | None, scope: Scope) -> str:
    """Spell a change with its sign."""
    return f"+{amount(value, scope)}" if value is not None and value > 0 else amount(value, scope)


def percent(share: Decimal | None) -> str:
    """Spell a change as +12.3 %; n/a where it means nothing."""
    if share is None:
        return _UNKNOWN
    rounded = (share * 100).quantize(_TENTH, ROUND_HALF_UP)
    return f"{rounded if rounded else abs(rounded):{'+' if rounded else ''},} %"


def late_days(late: Late) -> str:
    """Say of one account which days are missing or held back."""
    said = []
    if late.missing:
        said.append(f"missing {_ranges(late.missing)}")
    if late.held_back:
        said.append(f"held back {_ranges(late.held_back)} (the last figures that tied are told)")
    return f"{late.account_id}: {'; '.join(said)}"


def scope_words(scope: Scope) -> str:
    """Say whose costs these are."""
    who = f"team {scope.team}, by allocation" if scope.team else "all teams"
    where = [f"{key.replace('_', ' ')} {', '.join(of)}" for key, of in scope.filters.items()]
    return "; ".join([who, *where])


def _warnings(figures: Figures) -> tuple[str, ...]:
    if not figures.late:
        return ()
    return (
        "This summary is incomplete: not all bills of its days have come. Its totals are too low,"
        " or not the newest, and its changes compare unlike days.",
        *(late_days(each) for each in figures.late),
    )


def _total(figures: Figures, app_url: str | None, image: str | None) -> Section:
    scope = figures.scope
    share = _UNKNOWN
    if figures.open_share is not None:
        share = f"{(figures.open_share * 100).quantize(_TENTH, ROUND_HALF_UP)} %"
    return Section(
        "Total",
        (
            f"{amount(figures.cost, scope)}, {scope.cost_type} cost, {spell(figures.days)},"
            f" {scope_words(scope)}.",
            f"Not final yet: {amount(figures.open_cost, scope)} ({share}).",
            _compared("The period before", figures.before, scope),
            _compared("A year before", figures.year_before, scope),
        ),
        image=image,
        alt="Running sum of this period and of the one before, day by day",
        link=_costs("Open these costs in the app", figures, app_url, "Service"),
    )


def _compared(title: str, said: Comparison, scope: Scope) -> str:
    ranges = f"{spell(said.days)} against {spell(said.against)}, {len(said.days)} days each"
    if said.against_cost is None:
        return f"{title}: n/a ({ranges}; nothing is known of some of those days)."
    gaps = ""
    if said.missing_days:
        gaps = f"; {_count(said.missing_days, 'day')} of accounts never came in the former range"
    change = f"{signed(said.change, scope)} ({percent(said.growth)})"
    return f"{title}: {amount(said.against_cost, scope)}, change {change} ({ranges}{gaps})."


def _days(figures: Figures, app_url: str | None, image: str | None) -> Section:
    rows = tuple(
        Row((f"{day:%a} {day}", amount(figures.by_day.get(day), figures.scope)))
        for day in figures.days
    )
    return Section(
        "By day",
        columns=("UTC day", "Cost"),
        rows=rows,
        image=image,
        alt="Cost by day, stacked by the dearest services",
        link=_costs("Open the days by service", figures, app_url, "Service"),
    )


def _services(figures: Figures, app_url: str | None) -> Section:
    rows = [_service(figures, each, app_url) for each in figures.services]
    if figures.rest is not None:
        rest = _service(figures, figures.rest, None)
        rows.append(Row((f"{figures.rest_count} more", *rest.cells[1:])))
    return Section(
        "Services",
        _unlike(figures) if rows else ("No service was charged.",),
        ("Service", "Cost", "Change", ""),
        tuple(rows),
        link=_costs("Open all services", figures, app_url, "Service"),
    )


def _unlike(figures: Figures) -> tuple[str, ...]:
    if figures.before.days == figures.days:
        return ()
    return (f"Changes are of {spell(figures.before.days)}, {len(figures.before.days)} days.",)


def _service(figures: Figures, each: ServiceCost, app_url: str | None) -> Row:
    name = ": ".join(filter(None, (each.account_id, each.service_name)))
    more = {"service": [each.service_name]}
    if each.account_id is not None:
        more["account"] = [each.account_id]
    link = links.costs(app_url, figures.scope, figures.days, more=more) if app_url else None
    relative = None
    if each.change is not None and each.before is not None and each.before > 0:
        relative = each.change / each.before
    cells = (amount(each.cost, figures.scope), signed(each.change, figures.scope))
    return Row((name, *cells, percent(relative)), link)


def _movers(figures: Figures, app_url: str | None) -> list[Section]:
    if figures.before.against_cost is None:
        return [Section("Biggest changes", ("n/a: nothing is known of some days before.",))]
    sections = []
    for title, movers in (("up", figures.movers_up), ("down", figures.movers_down)):
        rows = tuple(_service(figures, each, app_url) for each in movers)
        lines = _unlike(figures) if rows else (f"Nothing went {title}.",)
        columns = ("Account and service", "Cost", "Change", "")
        link = _costs("Open the accounts", figures, app_url, "Account")
        sections.append(Section(f"Biggest moves {title}", lines, columns, rows, link=link))
    return sections


def _budgets(figures: Figures, app_url: str | None) -> Section:
    link = ("Open the budgets", links.page(app_url, "budgets"))
    if figures.budgets is None:
        return Section("Budgets", ("n/a: not known.",), link=link)
    if not figures.budgets:
        return Section("Budgets", ("No budget lies within this scope.",), link=link)
    rows = tuple(
        Row(
            (
                f"{each.name} ({spell(DayRange(each.period_start, each.period_end))},"
                f" {each.cost_type})",
                amount(each.budget_amount, figures.scope),
                amount(each.actual_cost, figures.scope),
                amount(each.forecast_cost, figures.scope),
                _BUDGET_STATES.get(each.state, each.state),
            )
        )
        for each in figures.budgets
    )
    columns = ("Budget", "Amount", "Booked", "Forecast", "State")
    return Section("Budgets", columns=columns, rows=rows, link=link)


def _anomalies(figures: Figures, app_url: str | None) -> Section:
    link = ("Open the anomalies", links.page(app_url, "budgets", {"tab": ["Anomalies"]}))
    if figures.anomalies is None:
        return Section(
            "Open anomalies",
            ("n/a: anomalies are found by account, sub account and service, not by this scope.",),
        )
    more: tuple[str, ...] = ()
    if figures.more_anomalies:
        more = (f"Open and not listed, of these days or others: {figures.more_anomalies}.",)
    if not figures.anomalies:
        return Section("Open anomalies", ("None in these days.", *more), link=link)
    rows = tuple(
        Row(
            (
                f"{each.account_id}: {each.service_name},"
                f" {spell(DayRange(each.start_date, each.end_date))}",
                f"{each.reason.replace('_', ' ')}, {each.severity}",
                signed(each.excess_cost, figures.scope),
            ),
            links.costs(
                app_url,
                figures.scope,
                DayRange(each.start_date, each.end_date),
                more={"account": [each.account_id], "service": [each.service_name]},
            )
            if app_url
            else None,
        )
        for each in figures.anomalies
    )
    columns = ("Anomaly", "What", "More than expected (effective)")
    return Section("Open anomalies", more, columns, rows, link=link)


def _forecast(figures: Figures) -> Section:
    said, scope = figures.forecast, figures.scope
    if said is None:
        return Section("Forecast", ("n/a: there is no forecast of this scope.",))
    lines = [
        f"{said.month:%Y-%m} is forecast at {amount(said.forecast_cost, scope)}, of which"
        f" {amount(said.booked_cost, scope)} was booked up to {said.as_of}: effective cost without"
        " credits and adjustments."
    ]
    if said.lower_cost is not None and said.upper_cost is not None:
        low, high = amount(said.lower_cost, scope), amount(said.upper_cost, scope)
        lines.append(f"Between {low} and {high} in eight months of ten.")
    if said.accounts is not None and said.accounts != said.of_accounts:
        lines.append(f"Of {said.accounts} of the {said.of_accounts} accounts: no more are known.")
    return Section("Forecast", tuple(lines))


def _savings(figures: Figures, app_url: str | None) -> Section:
    said = figures.savings
    if said is None:
        return Section(
            "Savings", ("n/a: savings are found by account and resource, not by this scope.",)
        )
    lines = [
        f"{amount(said.monthly_saving, figures.scope)} a month from {said.counted} of {said.open}"
        " open recommendations."
        if said.counted
        else f"No known saving; {_count(said.open, 'open recommendation')}."
    ]
    if said.unknown:
        lines.append(f"Of {said.unknown} the saving is not known, which is not zero.")
    if said.other_currencies:
        lines.append(f"{said.other_currencies} are in other currencies and in no figure here.")
    return Section(
        "Savings",
        tuple(lines),
        link=("Open the savings", links.page(app_url, "budgets", {"tab": ["Savings"]})),
    )


def _data(figures: Figures, app_url: str | None) -> Section:
    lines = [late_days(each) for each in figures.late] or [
        "Every active account in scope has delivered all of these days."
    ]
    through = figures.data_through
    lines.append(f"Data of every account through {through}." if through else "Data through: n/a.")
    if figures.other_currencies:
        others = ", ".join(figures.other_currencies)
        lines.append(f"Costs in {others} are in no figure here: currencies are never added up.")
    return Section(
        "Data", tuple(lines), link=("Open the accounts", links.page(app_url, "accounts"))
    )


def _foot(figures: Figures) -> str:
    made = f"{figures.as_of:%Y-%m-%d %H:%M} UTC" if figures.as_of else _UNKNOWN
    return f"Figures of the marts as of {made}, days in UTC. Bills may still change open days."


def _costs(
    words: str, figures: Figures, app_url: str | None, by: str | None = None
) -> tuple[str, str]:
    if figures.scope.team:
        words += " (costs there are of all teams)"
    return words, links.costs(app_url, figures.scope, figures.days, by)


def _ranges(days: Sequence[date]) -> str:
    """Spell days as ranges without gaps."""
    runs: list[list[date]] = []
    for day in sorted(days):
        if runs and day - runs[-1][1] == timedelta(days=1):
            runs[-1][1] = day
        else:
            runs.append([day, day])
    return ", ".join(spell(DayRange(*run)) for run in runs)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"
