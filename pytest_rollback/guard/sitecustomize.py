"""Python imports this when it starts, after the `.pth` files of editable installs have run.

Whatever Python finds it, even one that is much older than ours, it must not keep it from starting.
"""

try:
    import _pytest_rollback_guard  # type: ignore[import-not-found,unused-ignore]
except Exception:  # noqa: BLE001, S110
    pass
else:
    _pytest_rollback_guard.begin()
    _pytest_rollback_guard.go_on_to_the_next()
