"""Traces behind a switch (ASTRAEUS_TRACES): spans of pages, queries, tools and deliveries.

Off, a span costs microseconds. Where they go, OpenTelemetry's own variables say
(OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_TRACES_SAMPLER).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from opentelemetry import trace

from astraeus_pipeline import logs
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

_TRACER: Final = trace.get_tracer("astraeus")
_IS_SET: Final = set[str]()


def configure(settings: Settings, service: str, exporter: SpanExporter | None = None) -> None:
    """Send the spans of this process by OTLP over HTTP, if the settings say so; once is enough.

    Raises: ConfigError where the extra is not installed.
    """
    if not settings.traces or _IS_SET:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise ConfigError(
            "ASTRAEUS_TRACES is set, but OpenTelemetry's SDK is not installed.",
            hint="Install astraeus[otel], or unset it.",
        ) from None
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    _IS_SET.add(service)


@contextmanager
def span(name: str, **attributes: str | int) -> Iterator[None]:
    """Trace what happens within, under the request_id that the log has; errors mark the span.

    An error is named by its type alone: its words may hold what somebody wrote.
    """
    told = {f"astraeus.{key}": value for key, value in attributes.items()}
    if number := logs.request_id():
        told["astraeus.request_id"] = number
    with _TRACER.start_as_current_span(
        name, attributes=told, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield
        except Exception as error:
            current.set_status(trace.StatusCode.ERROR, type(error).__name__)
            raise
