"""A chat service: five events over a WebSocket for every message, kept in SQLite."""
