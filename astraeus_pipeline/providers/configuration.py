"""Settings of an account as people write them, checked against their provider's model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.providers.base import Provider


def read(provider: Provider, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration without what is the default; commas part lists.

    Raises: ConfigError naming the first setting that cannot be, and the known ones.
    """
    fields = provider.config_model.model_fields
    content = {
        key: _listed(value) if key in fields and is_list(fields[key].annotation) else value
        for key, value in given.items()
    }
    try:
        model = provider.config_model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            f"{'.'.join(map(str, first['loc'])) or 'configuration'}: {first['msg']}.",
            hint=f"{provider.label} knows: {', '.join(fields)}.",
        ) from None
    return model.model_dump(mode="json", exclude_defaults=True)


def is_list(annotation: Any) -> bool:
    """Whether a setting takes several values."""
    return "tuple" in str(annotation)


def _listed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())
