"""No grid and no chart hands out what it shows: files leave by buttons that are audited."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from astraeus_pipeline.warehouse.engine import Database
from tests.e2e.browser import chromium, needs_chromium, serving, window

pytestmark = [pytest.mark.e2e, pytest.mark.integration, needs_chromium]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address(marts: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("elsewhere")) as base:
        yield base


def test_grids_and_charts_offer_no_file_of_their_own(browser: Browser, address: str) -> None:
    with window(browser, address, "viewer") as opened:
        page = opened.open("/costs?by=Service")
        grid = page.get_by_test_id("stDataFrame").last
        grid.scroll_into_view_if_needed()
        grid.hover()
        page.get_by_test_id("stElementToolbarButton").first.wait_for()  # search, full screen
        assert page.get_by_role("button", name="Download").count() == 0
        page.get_by_test_id("stVegaLiteChart").first.hover()
        page.get_by_role("button", name="Fullscreen").first.wait_for()
        for name in ("Download", "Copy Vega-Lite spec"):
            assert page.get_by_role("button", name=name).count() == 0
