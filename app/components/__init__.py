"""Frame in, widget out."""
