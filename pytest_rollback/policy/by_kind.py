"""Writes out what holds for metrics that one of two policies lists and the other judged by their kind.

A table of its own is no way to take a number from under the rules that it stood under: both are compared, and merged,
as if the first policy had listed it too.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import structs

from pytest_rollback.policy.rules import BOUNDS, INHERITED, Metric, Policy

ALL = tuple(sorted((*INHERITED, *BOUNDS)))


def newly_listed(before: Policy, after: Policy) -> list[str]:
    """Name the metrics that only the second policy lists."""
    return [name for name in after.metrics if name not in before.metrics]


def written_out(before: Policy, after: Policy, kinds: Mapping[str, str]) -> tuple[Policy, Policy]:
    """Give both policies with tables for those of them that are known to have been measured, as what kind."""
    ours, theirs = dict(before.metrics), dict(after.metrics)
    for name in newly_listed(before, after):
        kind = kinds.get(name, "")
        was, is_now = before.metric(name, kind), after.metric(name, kind)
        if was is not None and is_now is not None:
            ours[name], theirs[name] = _whole(was, name), _whole(is_now, name)
            ours[name] = structs.replace(ours[name], required=False)
    return structs.replace(before, metrics=ours), structs.replace(after, metrics=theirs)


def _whole(rules: Metric, name: str) -> Metric:
    return structs.replace(rules, name=name, given=ALL)
