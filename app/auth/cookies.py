"""The session cookie: a random token, of which everything else knows the sha-256 alone."""

from __future__ import annotations

from typing import Final

from astraeus_pipeline.warehouse.sessions import key_of

__all__ = ["COOKIE", "key_of"]

# The prefix makes browsers refuse it without Secure, with a Domain, or from another host.
COOKIE: Final = "__Host-astraeus"
# How the gate tells Streamlit whose session it is; `trustedUserHeaders` puts it into `st.user`.
SESSION_HEADER: Final = "x-astraeus-session"
