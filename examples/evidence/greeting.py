"""Greets people."""


def greet(name: str) -> str:
    """Greet one person."""
    return f"Hello, {name}!"


def greet_all(names: list[str]) -> str:
    """Greet everybody, in their order."""
    return "\n".join(greet(name) for name in names)
