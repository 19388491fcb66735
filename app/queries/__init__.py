"""Typed questions to the marts: what may be asked, and the SQL that answers it. No Streamlit."""
