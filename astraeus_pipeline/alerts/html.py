"""The message as HTML: one table per alert, readable without images or style sheets."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import jinja2

_TEMPLATE: Final = """\
<!doctype html>
<html><head><title>{{ title }}</title></head>
<body style="font-family: sans-serif; font-size: 14px">
{% for section in sections %}
<h3 style="margin: 16px 0 8px">{{ section.headline }}</h3>
<table cellpadding="3" style="border-collapse: collapse">
{% for name, value in section.facts %}
<tr><td style="color: #666; vertical-align: top">{{ name }}</td><td>{{ value }}</td></tr>
{% endfor %}
<tr><td style="color: #666">Raised</td><td>{{ section.raised }}, figures as of then</td></tr>
</table>
<p><a href="{{ section.link }}">Open the costs with these filters</a></p>
{% endfor %}
</body></html>
"""


@cache
def _template() -> jinja2.Template:
    return jinja2.Environment(autoescape=True).from_string(_TEMPLATE)


def render(title: str, sections: Sequence[dict[str, Any]]) -> str:
    """Return the page; whatever the alerts quote is escaped."""
    return _template().render(title=title, sections=sections)
