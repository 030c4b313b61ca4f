"""Time limits of groups and tests, and groups that stop early."""

from __future__ import annotations

import pytest

from conftest import RunGate

SLEEPS = "import time\n@pytest.mark.golden_path\ndef test_{name}(): time.sleep({seconds})\n"


def policy(pytester: pytest.Pytester, **keys: str) -> None:
    """Write a policy for the golden path."""
    table = "".join(f"{key.replace('_', '-')} = {value}\n" for key, value in keys.items())
    pytester.makepyprojecttoml(f"[tool.pytest-rollback.groups.golden_path]\n{table}")


def test_each_ends_a_test_that_takes_too_long(gate: RunGate, pytester: pytest.Pytester) -> None:
    """A hanging test ends at its group's limit, fails, and speaks of the infrastructure too."""
    policy(pytester, each="'50 ms'")
    gated = gate(SLEEPS.format(name="it", seconds=5))
    assert gated.status == 80
    assert gated.triggers == ["golden-path", "infrastructure"]
    assert gated.report["not_passed"][0]["outcome"] == "timed out"


def test_a_tests_own_limit_stands(gate: RunGate, pytester: pytest.Pytester) -> None:
    """Who gave a test more time had a reason."""
    policy(pytester, each="'1 ms'")
    assert gate(SLEEPS.format(name="it", seconds=0.05).replace("@", "@pytest.mark.timeout(5)\n@", 1)).status == 0


def test_a_stricter_limit_of_the_session_stands(gate: RunGate, pytester: pytest.Pytester) -> None:
    """A group's limit never gives a test more time than `--timeout` does."""
    policy(pytester, each="'5 s'")
    assert gate(SLEEPS.format(name="it", seconds=2), "--timeout=0.05").triggers[0] == "golden-path"
    assert gate(SLEEPS.format(name="it", seconds=0.05), "--timeout=60").status == 0


def test_whole_ends_the_test_that_uses_the_groups_time_up(gate: RunGate, pytester: pytest.Pytester) -> None:
    """What is left of the group's time is all that a test gets; the rest is withheld, and named."""
    policy(pytester, whole="'1 s'")
    gated = gate("".join(SLEEPS.format(name=name, seconds=60) for name in "ab"))
    assert gated.status == 80
    assert gated.counts == {"failed": 1, "not_run": 1}
    assert gated.obstacles == {"not run": ["test_it.py::test_b"]}
    assert "golden_path used up its 1 s" in gated.report["findings"][1]["reason"]


def test_a_longer_limit_of_a_test_ends_with_its_groups_time(gate: RunGate, pytester: pytest.Pytester) -> None:
    """A test's own limit can't outlast the group."""
    policy(pytester, whole="'100 ms'")
    code = SLEEPS.format(name="it", seconds=5)
    for own in ("timeout(60)", "timeout(timeout=60, method='signal')", "timeout(60, 'signal')", "timeout(0)"):
        assert gate(code.replace("@", f"@pytest.mark.{own}\n@", 1)).report["not_passed"][0]["outcome"] == "timed out"


def test_without_pytest_timeout_limits_are_judged_afterwards(gate: RunGate, pytester: pytest.Pytester) -> None:
    """Nothing can be ended then; a test over its limit fails all the same, and the gate says why it waited."""
    policy(pytester, each="'20 ms'", whole="'30 ms'")
    code = "".join(SLEEPS.format(name=name, seconds=0.05) for name in "ab")
    gated = gate(code, "-p", "no:timeout")
    assert gated.status == 80
    assert gated.counts == {"failed": 1, "not_run": 1}
    assert "limit 20 ms" in gated.report["not_passed"][0]["message"]
    assert "pytest-timeout is turned off" in gated.words


def test_fail_fast_withholds_the_rest_of_its_group(gate: RunGate, pytester: pytest.Pytester) -> None:
    """The group is done with at its first failure; the other groups run on, for the evidence."""
    policy(pytester, fail_fast="true")
    gated = gate(
        "@pytest.mark.golden_path\ndef test_a(): assert 0\n@pytest.mark.golden_path\ndef test_b(): pass\n"
        "@pytest.mark.isolation\n@pytest.mark.golden_path\ndef test_c(): pass\n"
        "@pytest.mark.isolation\ndef test_d(): pass\n"
    )
    assert gated.counts == {"passed": 2, "failed": 1, "not_run": 1}
    assert gated.obstacles == {"not run": ["test_it.py::test_b"]}
    assert gated.status == 80


def test_withheld_tests_leave_fixtures_in_order(gate: RunGate, pytester: pytest.Pytester) -> None:
    """A withheld test between two modules must not keep the first one's fixtures alive."""
    policy(pytester, fail_fast="true")
    pytester.makepyfile(
        test_a="import pytest\n@pytest.fixture(scope='module')\ndef thing():\n    yield\n    print('torn down')\n"
        "@pytest.mark.golden_path\ndef test_a(thing): assert 0\n@pytest.mark.golden_path\ndef test_b(thing): pass\n",
        test_b="import pytest\n@pytest.mark.isolation\ndef test_c(): pass\n",
    )
    gated = gate("", "-s")
    assert gated.counts == {"passed": 1, "failed": 1, "not_run": 1}
    assert gated.text.index("torn down") < gated.text.index("test_b.py")


def test_a_group_over_its_time_though_all_passed_blocks(gate: RunGate, pytester: pytest.Pytester) -> None:
    """The limit of the whole group is a demand of its own."""
    policy(pytester, whole="'30 ms'")
    gated = gate(SLEEPS.format(name="it", seconds=0.05), "-p", "no:timeout")
    assert gated.triggers == ["infrastructure"]
    assert gated.status == 80
