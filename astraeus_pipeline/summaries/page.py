"""A summary as HTML: tables and sentences, readable without pictures and style sheets."""

from __future__ import annotations

from functools import cache
from typing import Final

import jinja2

from astraeus_pipeline.summaries.wording import Told

_TEMPLATE: Final = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ told.subject }}</title></head>
<body style="font-family: sans-serif; font-size: 14px; color: #1B2430; max-width: 640px">
<h2 style="margin: 8px 0">{{ told.title }}</h2>
{% for line in told.warnings %}
<p style="border-left: 4px solid #C33458; padding-left: 8px"><strong>{{ line }}</strong></p>
{% endfor %}
{% for section in told.sections %}
<h3 style="margin: 20px 0 6px">{{ section.title }}</h3>
{% for line in section.lines %}
<p style="margin: 4px 0">{{ line }}</p>
{% endfor %}
{% if section.rows %}
<table cellpadding="4" style="border-collapse: collapse">
<tr>{% for name in section.columns %}
<th align="{{ 'left' if loop.first else 'right' }}" style="color: #4B5768">{{ name }}</th>
{% endfor %}</tr>
{% for row in section.rows %}
<tr>{% for cell in row.cells %}
<td align="{{ 'left' if loop.first else 'right' }}" style="border-top: 1px solid #DDE3EB">
{%- if loop.first and row.link %}<a href="{{ row.link }}">{{ cell }}</a>
{%- else %}{{ cell }}{% endif %}</td>
{% endfor %}</tr>
{% endfor %}
</table>
{% endif %}
{% if section.image %}
<p><img src="cid:{{ section.image }}" alt="{{ section.alt }}" width="600"
 style="max-width: 100%"></p>
{% endif %}
{% if section.link %}
<p style="margin: 6px 0"><a href="{{ section.link[1] }}">{{ section.link[0] }}</a></p>
{% endif %}
{% endfor %}
<p style="color: #4B5768; margin-top: 20px">{{ told.foot }}</p>
</body></html>
"""


@cache
def _template() -> jinja2.Template:
    return jinja2.Environment(autoescape=True, trim_blocks=True).from_string(_TEMPLATE)


def render(told: Told) -> str:
    """Return the page; names that bills or people wrote are escaped."""
    return _template().render(told=told)
