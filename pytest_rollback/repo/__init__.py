"""Git, and nothing else knows git."""
