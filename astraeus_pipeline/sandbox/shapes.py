"""AWS's own service models, to hold requests to the fixtures and their answers to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from botocore.model import ServiceModel
from botocore.session import get_session
from botocore.validate import ParamValidator

_VALIDATOR: Final = ParamValidator()


@cache
def _model(service: str) -> ServiceModel:
    return get_session().get_service_model(service)


def faults_of_request(service: str, operation: str, request: Mapping[str, Any]) -> str | None:
    """Return what a request has that AWS's model does not allow, None if it fits."""
    return _faults(_model(service).operation_model(operation).input_shape, request)


def faults_of_answer(service: str, operation: str, answer: Mapping[str, Any]) -> str | None:
    """Return what an answer has that AWS's model does not know, None if it fits."""
    return _faults(_model(service).operation_model(operation).output_shape, answer)


def _faults(shape: Any, content: Mapping[str, Any]) -> str | None:
    report = _VALIDATOR.validate(content, shape)
    return report.generate_report() if report.has_errors() else None
