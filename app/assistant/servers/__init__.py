"""MCP servers on the registry of tools: over stdio for desktop clients, and over HTTP."""
