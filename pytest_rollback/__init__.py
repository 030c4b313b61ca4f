"""Safety gates for pytest: block the change that breaks what must never break."""

__version__ = "0.1.0"
