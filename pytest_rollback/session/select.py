"""Finds the gate tests among the collected ones and puts them in the gate's order."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pytest

from pytest_rollback.model import Mark
from pytest_rollback.policy.problems import nearest
from pytest_rollback.policy.rules import Policy

Marks = tuple[Mark, ...]


class MarkerReader:
    """Reads gate markers off collected tests, and keeps what is wrong with them until all were read."""

    def __init__(self, policy: Policy) -> None:
        self.groups = {group.name: place for place, group in enumerate(policy.groups)}
        self.labels = known_labels(policy)
        self.problems: list[str] = []
        self.known: dict[tuple[str, ...], Marks] = {}

    def marks(self, item: pytest.Item) -> Marks:
        """Give the gate markers of a test, in the order of their groups. Most tests bear the same few."""
        markers = [marker for marker in item.iter_markers() if marker.name in self.groups]
        if not markers:
            return ()
        if any(marker.args or marker.kwargs for marker in markers):
            return self._read(item.nodeid, markers)
        key = tuple(marker.name for marker in markers)
        if key not in self.known:
            self.known[key] = self._read(item.nodeid, markers)
        return self.known[key]

    def _read(self, nodeid: str, markers: Iterable[pytest.Mark]) -> Marks:
        found: dict[str, dict[str, None]] = {}
        for marker in markers:
            labels = found.setdefault(marker.name, {})
            labels.update(dict.fromkeys(self._labels(nodeid, marker)))
        return tuple(Mark(group, tuple(found[group])) for group in sorted(found, key=self.groups.__getitem__))

    def _labels(self, nodeid: str, marker: pytest.Mark) -> Iterable[str]:
        if marker.kwargs:
            given = ", ".join(f"{name}={value!r}" for name, value in marker.kwargs.items())
            self._say(nodeid, marker, f"takes labels only, not {given}")
        for label in marker.args:
            if not isinstance(label, str) or not label.strip() or not label.isprintable():
                self._say(nodeid, marker, f'a label is a word such as "chat", not {label!r}')
            elif self.labels and label not in self.labels:
                self._say(nodeid, marker, f'the policy knows no label "{label}"{nearest(label, self.labels)}')
            else:
                yield label

    def _say(self, nodeid: str, marker: pytest.Mark, text: str) -> None:
        self.problems.append(f"{nodeid}: @pytest.mark.{marker.name}: {text}")


def known_labels(policy: Policy) -> Collection[str]:
    """List the labels that a marker may bear; none where the policy names none, since then any is right."""
    if not policy.labels:
        return ()
    return {*policy.labels, *(label for trigger in policy.triggers for label in trigger.labels)}


def in_gate_order(
    items: list[pytest.Item], marks: dict[str, Marks], policy: Policy, failed_last: Collection[str]
) -> list[pytest.Item]:
    """Sort by group, what failed last time first within one; the rest of the order is whoever shuffled's."""
    places = {group.name: place for place, group in enumerate(policy.groups)}

    def place(item: pytest.Item) -> tuple[int, bool]:
        own = marks.get(item.nodeid)
        return (places[own[0].group] if own else len(places), item.nodeid not in failed_last)

    return sorted(items, key=place)
