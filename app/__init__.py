"""The Streamlit app: pages over the marts."""
