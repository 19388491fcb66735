"""Spans: nothing without the switch; with it pages hold their queries, and no words of errors."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app import measures
from astraeus_pipeline import traces
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.settings import Settings


def test_a_pages_span_holds_its_queries_under_one_request(tmp_path: Path) -> None:
    kept = InMemorySpanExporter()
    traces.configure(Settings(home=tmp_path), "test", kept)
    assert not isinstance(trace.get_tracer_provider(), TracerProvider)
    for _ in range(2):  # the second time it is left as it is
        traces.configure(Settings(home=tmp_path, traces=True), "test", kept)
    with (
        pytest.raises(ConfigError),
        measures.page("costs", "a@example.org"),
        measures.query("marts"),
    ):
        raise ConfigError("canary")
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    provider.force_flush()
    query, page = kept.get_finished_spans()
    assert (page.name, query.name) == ("a page was drawn", "a query ended")
    assert query.parent is not None and query.parent.span_id == page.context.span_id
    ids = {each.attributes["astraeus.request_id"] for each in (page, query) if each.attributes}
    assert len(ids) == 1
    assert not query.status.is_ok and query.status.description == "ConfigError"
    assert "canary" not in query.to_json() + page.to_json()
