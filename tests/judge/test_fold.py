"""The cut of a gate and what a part must show, without a session around them."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_rollback.judge.fold import PartError, fold, pack, unpack
from pytest_rollback.judge.parts import MOST, Shard, name_of_whole
from pytest_rollback.judge.report import Facts, report_on
from pytest_rollback.model import Environment, Evidence, Mark, Outcome, Part, Report, Subject, TestResult, Verdict
from pytest_rollback.policy.load import load_policy

POLICY = load_policy(None)
NOW = datetime(2026, 3, 2, tzinfo=timezone.utc)
DEALT = ("a", "b", "c", "d", "e")


def report_of(shard: Shard, tests: tuple[str, ...], dealt: tuple[str, ...] = DEALT) -> Report:
    """Judge a part in which some tests passed."""
    results = tuple(TestResult(test=t, outcome=Outcome.PASSED, marks=(Mark("golden_path"),)) for t in tests)
    facts = Facts(
        evidence=Evidence(tests=results),
        subject=Subject(),
        environment=Environment(digest="0", python="3", platform="linux"),
        started=NOW,
        whole_suite=False,
    )
    packed = pack(facts, POLICY, shard, dealt)
    part = Part(number=shard.number, of=shard.of, whole=name_of_whole(dealt), packed=packed)
    return report_on(msgspec.structs.replace(facts, part=part), POLICY, NOW)


@given(st.sets(st.text(), max_size=20), st.integers(1, 30))
def test_every_test_is_in_exactly_one_part(tests: set[str], of: int) -> None:
    """Nothing is left to nobody, whatever the names and however many parts."""
    dealt = Counter(test for number in range(1, of + 1) for test in Shard(number, of).takes(tests))
    assert dealt == Counter(tests)


@given(st.sets(st.sampled_from((*DEALT, "stranger"))))
def test_only_the_very_share_is_believed(tests: set[str]) -> None:
    """One test less or more, and nobody knows what the part looked at."""
    shard = Shard(1, 2)
    report = report_of(shard, tuple(sorted(tests)))
    if tests == shard.takes(DEALT):
        assert unpack("p", report).packed.shard == shard
    else:
        with pytest.raises(PartError):
            unpack("p", report)


@pytest.mark.parametrize("shard", [Shard(0, 2), Shard(3, 2), Shard(-1, 2), Shard(1, MOST + 1)])
def test_a_part_that_can_not_be_is_not_believed(shard: Shard) -> None:
    """Its share would be counted from the wrong end, or its missing parts be named for ever."""
    with pytest.raises(PartError, match="it says that it is part"):
        unpack("p", report_of(shard, tuple(sorted(shard.takes(DEALT)))))


def test_two_tests_that_are_spelt_alike_are_two() -> None:
    """Two unprintable names may look the same in a report; each part still has to show its own."""
    dealt = ("a", "b", "a", "b")
    assert unpack("p", report_of(Shard(1, 2), ("a", "a"), dealt)).part.number == 1
    with pytest.raises(PartError, match="lacks 1"):
        unpack("p", report_of(Shard(1, 2), ("a",), dealt))


def test_sound_parts_fold_into_the_whole() -> None:
    """What all parts saw is what one session would have seen."""
    pieces = [unpack(str(k), report_of(Shard(k, 2), tuple(sorted(Shard(k, 2).takes(DEALT))))) for k in (2, 1)]
    facts, policy = fold(pieces)
    assert [result.test for result in facts.evidence.tests] == list(DEALT)
    assert report_on(facts, policy, NOW).verdict is Verdict.PASSED
