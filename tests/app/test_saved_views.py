"""Saved views: kept, opened, shared and deleted; they grant nothing, and each change is audited."""

from __future__ import annotations

import html
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import psycopg
import pytest
from streamlit.testing.v1 import AppTest

from app.records import views as records
from astraeus_pipeline.contracts.people import Grant
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import saved_views
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.saved_views import EVERYBODY
from tests.app.conftest import THROUGH, forget, sign_in
from tests.app.hostile import TEXTS, shown
from tests.app.test_budgets_page import audited, sql
from tests.app.test_pages import run

pytestmark = pytest.mark.integration
QUERY = {"by": ["Service"], "service": ["Service B"], "ccy": ["USD"]}


@pytest.fixture(scope="module")
def people(marts: Database) -> Iterator[Database]:
    sign_in(marts, "ana", "analyst")
    sign_in(marts, "shop-viewer", "viewer", Grant("team", "shop"))
    sign_in(marts, "shop-analyst", "analyst", Grant("team", "shop"), Grant("account", "acme"))
    sign_in(marts, "acme-viewer", "viewer", Grant("account", "acme"))
    forget()
    yield marts


@pytest.fixture(autouse=True)
def _no_views(people: Database) -> None:
    with people.connect("app", autocommit=True) as conn:
        conn.execute("delete from app.saved_views")


def popover(page: str | None, who: str, **address: str) -> AppTest:
    """Open a page and its popover of views."""
    at = run(page, who=who, **address)
    at.session_state["views"] = True
    at.run()
    assert not at.exception and not at.error
    return at


def addresses(at: AppTest) -> dict[str, dict[str, list[str]]]:
    """Return the views that the popover shows: name to the parameters of its link."""
    found = {}
    for each in at.get("html"):
        text = each.proto.body
        if text.startswith("<a "):
            link, _, rest = text.removeprefix('<a href="').partition('"')
            name = rest.partition(">")[2].partition(" &rarr;")[0]
            found[html.unescape(name)] = parse_qs(urlsplit(html.unescape(link)).query)
    return found


def names(email: str, page: str = "costs") -> list[str]:
    return [view.name for view in records.listed(f"{email}@example.org", page)]


def test_a_view_is_saved_opened_renamed_and_deleted(people: Database) -> None:
    at = popover("costs", "ana", by="Service", service="Service B", period="30 days")
    at.text_input(key="view_name").set_value("  Service B,\tby  month ")
    at.button(key="view_save").click().run()
    assert "Saved the view Service B, by month" in at.success[0].value
    [kept] = addresses(at).values()
    assert kept == {**QUERY, "period": ["30 days"], "basis": ["Billed"]}
    actor, detail = audited(people, "view.saved") or ("", {})
    assert actor == "ana@example.org" and detail["query"] == kept
    opened = run("costs", who="ana", **{key: of[0] for key, of in kept.items()})
    assert len(opened.dataframe[-1].value) == 1
    view = sql(people, "select id::text from app.saved_views")
    at.button(key=f"view_edit_{view}").click().run()
    at.text_input(key=f"view_name_{view}").set_value("Bees")
    at.selectbox(key=f"view_shared_{view}").set_value(EVERYBODY)
    at.button(key="view_change").click().run()
    assert list(addresses(at)) == ["Bees"]
    assert sql(people, "select shared_with from app.saved_views") == "*"
    assert (audited(people, "view.changed") or ("", {}))[1]["after"]["name"] == "Bees"
    at.button(key=f"view_delete_{view}").click().run()
    assert "Deleted the view Bees" in at.success[0].value and addresses(at) == {}
    assert audited(people, "view.deleted") is not None


def test_days_move_on_or_stay(people: Database) -> None:
    at = popover("costs", "ana")
    for name, days in (("moving", None), ("fixed", "Stay fixed")):
        at.text_input(key="view_name").set_value(name)
        if days:
            at.segmented_control(key="view_days").set_value(days)
        at.button(key="view_save").click().run()
    found = addresses(at)
    assert "dates" not in found["moving"]
    first = str(THROUGH.replace(day=1))
    assert found["fixed"]["period"] == ["Custom"]
    assert found["fixed"]["dates"] == [first, str(THROUGH)]


@pytest.mark.parametrize("page", [None, "resources", "trace", "budgets", "accounts"])
def test_every_page_keeps_views(people: Database, page: str | None) -> None:
    at = popover(page, "admin")
    at.text_input(key="view_name").set_value("This")
    at.button(key="view_save").click().run()
    assert not at.exception and list(addresses(at))[:1] == ["This"]
    assert names("admin", page or "dashboard") == ["This"]


def test_who_sees_which(people: Database) -> None:
    for name, shared in (("own", None), ("all", EVERYBODY), ("shop", "shop"), ("data", "data")):
        records.save("ana@example.org", "costs", name, QUERY, shared)
    assert names("ana") == ["all", "data", "own", "shop"]
    assert names("shop-viewer") == names("shop-analyst") == ["all", "shop"]
    assert names("acme-viewer") == ["all"]
    assert names("admin") == ["all", "data", "shop"]  # who has no scope is in every team
    assert names("ana", "trace") == names("nobody") == []


def test_a_view_grants_nothing(people: Database) -> None:
    beta = {"account": ["beta"], "ccy": ["EUR"], "by": ["Account"]}
    records.save("ana@example.org", "costs", "Theirs", beta, EVERYBODY)
    at = popover("costs", "acme-viewer")
    [kept] = [of for name, of in addresses(at).items() if name == "Theirs"]
    assert not {"view_save", "view_name"} & {each.key for each in (*at.button, *at.text_input)}
    opened = run("costs", who="acme-viewer", **{key: of[0] for key, of in kept.items()})
    assert not opened.exception and "beta" not in shown(opened)
    assert "account: beta" in opened.warning[0].value


def test_nobody_changes_what_is_not_theirs(people: Database) -> None:
    records.save("ana@example.org", "costs", "Hers", QUERY, EVERYBODY)
    [view] = records.listed("admin@example.org", "costs")
    with pytest.raises(ConfigError, match="is ana's"):
        records.delete("admin@example.org", view.id)
    with pytest.raises(ConfigError, match="is ana's"):
        records.change("admin@example.org", view.id, "Mine", None)
    with pytest.raises(ConfigError, match="no such view"):
        records.delete("admin@example.org", UUID(int=0))
    with pytest.raises(ConfigError, match="do not see the team"):
        records.save("shop-analyst@example.org", "costs", "x", QUERY, "data")
    at = popover("costs", "acme-viewer")
    assert not any((each.key or "").startswith("view_") for each in at.button)
    # The button that a viewer does not have would not help them either.
    from app.components import access, view_list

    def page() -> None:
        from app.components import view_list

        view_list._keep("costs", None)

    at = AppTest.from_function(page)
    from tests.app.conftest import user_of

    at.user = user_of("acme-viewer")
    at.session_state["view_name"] = "sly"
    at.run()
    assert access and view_list and names("acme-viewer") == ["Hers"]


@pytest.mark.parametrize(
    ("name", "query", "said"),
    [
        ("", QUERY, "no name"),
        ("x" * 81, QUERY, "cannot be used"),
        ("a\x00", QUERY, "cannot be used"),
        ("Twice", QUERY, "You have a view"),
        ("tWICE ", QUERY, "You have a view"),
        ("Large", {"q": ["x" * 5_000]}, "too many filters"),
        ("Nul", {"q": ["\x00"]}, "characters that no text holds"),
    ],
)
def test_what_cannot_be_kept_is_a_sentence(
    people: Database, name: str, query: dict[str, list[str]], said: str
) -> None:
    records.save("ana@example.org", "costs", "Twice", QUERY, None)
    with pytest.raises(ConfigError, match=said):
        records.save("ana@example.org", "costs", name, query, None)
    assert names("ana") == ["Twice"]


def test_names_are_shown_as_they_are(people: Database) -> None:
    odd = [text for text in TEXTS if text.strip() and len(text) < 80 and text.isprintable()]
    for number, text in enumerate(odd):
        records.save("ana@example.org", "costs", f"{number} {text}", {"q": [text]}, None)
    found = addresses(popover("costs", "ana"))
    assert sorted(found) == sorted(
        f"{number} {' '.join(x.split())}" for number, x in enumerate(odd)
    )
    assert [found[f"{number} {' '.join(x.split())}"]["q"] for number, x in enumerate(odd)] == [
        [x] for x in odd
    ]


def test_the_table_holds_no_view_of_another_page_or_without_a_name(people: Database) -> None:
    with people.connect("app", autocommit=True) as conn:
        for page, name, query in (("admin", "x", "{}"), ("costs", " ", "{}"), ("costs", "x", "[]")):
            with pytest.raises(psycopg.errors.CheckViolation):
                conn.execute(
                    "insert into app.saved_views (owner_id, page, name, query)"
                    " select id, %s, %s, %s::jsonb from app.users limit 1",
                    [page, name, query],
                )
    with pytest.raises(ConfigError, match="keeps no views"):
        records.save("ana@example.org", "admin", "x", {}, None)
    assert saved_views.PAGES[0] == "dashboard"
    with people.connect("reader") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("select * from app.saved_views")
