"""Emulators and bills of an invented company, reached by the real SDKs over HTTP and files."""
