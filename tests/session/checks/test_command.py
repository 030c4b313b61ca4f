"""The check `command`: how a program ends, what is taken from what it prints, and that nothing of it is left."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from pytest_rollback.policy.rules import Check
from pytest_rollback.session.checks import command
from pytest_rollback.session.checks.kept import Kept
from pytest_rollback.session.checks.matching import whole_lines
from pytest_rollback.session.checks.outcome import LONGEST_OUTPUT, CheckResult, Place
from pytest_rollback.session.checks.score import one_score, read_score


def check(root: Path, *argv: str, **more: Any) -> CheckResult:
    """Run a program as a check."""
    return command.run(Check(name="architecture", kind="command", command=argv, **more), Place(root=root))


def python(root: Path, code: str, **more: Any) -> CheckResult:
    """Run some Python as a check."""
    return check(root, "python", "-c", code, **more)


def lives(file: Path) -> bool:
    """Whether the process that wrote its number into a file is still there, and no corpse."""
    number = int(file.read_text("ascii"))
    try:
        os.kill(number, 0)
        stat = Path(f"/proc/{number}/stat")
        return not stat.exists() or stat.read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_a_program_that_ends_well_holds(tmp_path: Path) -> None:
    """It runs in the root, has nothing to read, and what it says is kept, both streams in one."""
    code = (
        "import os, sys; print(os.getcwd(), repr(sys.stdin.read()), flush=True); print('b\\x1b[1mold', file=sys.stderr)"
    )
    result = python(tmp_path, code)
    assert result.failures == ()
    assert result.says == "exit status 0"
    assert result.output == f"{tmp_path} ''\nbold\n"


def test_python_is_this_interpreter(tmp_path: Path) -> None:
    """A machine may have no other by that name, and only this one is sure to have the project."""
    assert python(tmp_path, "import sys; print(sys.executable)").output == f"{sys.executable}\n"


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ((), "no command"),
        (("no-such-program",), "not installed, or not on PATH"),
        (("./missing",), "no file './missing'"),
        (("./plain",), "not executable"),
        (("./folder/",), "is a folder"),
        (("./orphan",), "names an interpreter in its first line that is not there"),
        (("./garbage",), "no program that this system can run"),
        (("a\0b",), "can't be run"),
        (("",), ""),
    ],
)
def test_what_can_t_be_started_fails_and_says_why(tmp_path: Path, argv: tuple[str, ...], says: str) -> None:
    """Each has its own remedy."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "plain").write_text("x", "ascii")
    for name, text in (("orphan", "#!/no/such/thing\n"), ("garbage", "garbage\n")):
        (tmp_path / name).write_text(text, "ascii")
        (tmp_path / name).chmod(0o755)
    (failure,) = check(tmp_path, *argv).failures
    assert says in failure


def test_a_root_that_is_gone_is_named(tmp_path: Path) -> None:
    """The program is not at fault then."""
    (failure,) = check(tmp_path / "gone", "true").failures
    assert "gone is not there" in failure


@pytest.mark.parametrize(
    ("code", "status", "says"),
    [
        ("raise SystemExit(3)", (0,), "exit status 3, expected 0"),
        ("raise SystemExit(3)", (0, 4), "exit status 3, expected 0 or 4"),
        ("import os; os.kill(os.getpid(), 11)", (0,), "ended by SIGSEGV"),
        ("raise SystemExit(3)", (3,), ""),
    ],
)
def test_the_exit_status_is_judged(tmp_path: Path, code: str, status: tuple[int, ...], says: str) -> None:
    """By what the policy lets pass."""
    failures = python(tmp_path, code, status=status).failures
    assert [says in failure for failure in failures] == ([True] if says else [])


def test_a_score_is_measured(tmp_path: Path) -> None:
    """It bears the check's name and labels, and is judged by the metric that the policy names."""
    result = python(tmp_path, "print('Score: 98.7')", pattern=r"Score: ([\d.]+)", metric="compliance", labels=("prod",))
    (measured,) = result.measured
    assert (measured.name, measured.value, measured.metric, measured.unit) == ("architecture", 98.7, "compliance", "")
    assert measured.labels == ("prod",)
    assert result.says == "exit status 0, score 98.7"


def test_a_score_is_measured_though_the_status_is_wrong(tmp_path: Path) -> None:
    """A script that fails over its own threshold still says how far it fell."""
    result = python(tmp_path, "print('Score: 71'); raise SystemExit(1)", pattern=r"Score: (\d+)", metric="compliance")
    assert [one.value for one in result.measured] == [71]
    assert result.failures == ("python: exit status 1, expected 0",)


def test_a_score_is_looked_for_on_both_streams(tmp_path: Path) -> None:
    """Many programs write their summary to stderr; where the streams differ, nobody knows which is meant."""
    code = "import sys; print('Score: 7', file=sys.stderr)"
    wanted = {"pattern": r"^Score: (\d)$", "metric": "compliance"}
    assert python(tmp_path, code, **wanted).measured[0].value == 7
    assert python(tmp_path, f"{code}; print('Score: 7')", **wanted).measured[0].value == 7
    result = python(tmp_path, f"{code}; print('Score: 8')", **wanted)
    assert result.measured == ()
    assert result.failures[0].endswith("matches 2 scores that differ: 8, 7")


@pytest.mark.parametrize(
    ("printed", "more", "says"),
    [
        ("nothing", {"pattern": "Score: (.*)", "metric": "m"}, "matches nothing of what python printed"),
        ("Score: NaN", {"pattern": "Score: (.*)", "metric": "m"}, "'NaN' is no number"),
        ("Score: ", {"pattern": "Score: (.*)", "metric": "m"}, "'' is no number"),
        ("Score: 1\\nScore: 2", {"pattern": "Score: (.*)", "metric": "m"}, "2 scores that differ: 1, 2"),
        ("Score: 1", {"pattern": "Score: (", "metric": "m"}, "is no regular expression"),
        ("Score: 1", {"metric": "m"}, "pattern: missing"),
        ("all is bad", {"pattern": "all is well"}, "matches nothing"),
        ("", {"pattern": ".*"}, "matches nothing"),
        ("", {"pattern": "OK|"}, "matches nothing"),
        ("all is bad", {"pattern": "OK|"}, "matches nothing"),
        ("all is bad", {"pattern": "^"}, "matches nothing"),
    ],
)
def test_a_score_that_can_t_be_read_fails(tmp_path: Path, printed: str, more: dict[str, str], says: str) -> None:
    """No number is never a good one."""
    result = python(tmp_path, f"print('{printed}')", **more)
    assert result.measured == ()
    (failure,) = result.failures
    assert says in failure


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("98.7", 98.7, ""),
        (" 98.7 %", 98.7, "%"),
        ("1,234.5", 1234.5, ""),
        ("1e3", 1000, ""),
        ("-.5", -0.5, ""),
        ("312 ms", 312, "ms"),
        ("+7.", 7, ""),
        ("0", 0, ""),
    ],
)
def test_numbers_are_read_as_programs_write_them(text: str, value: float, unit: str) -> None:
    """A unit that the program writes is kept, so that one in another unit than its baseline is noticed."""
    assert read_score(text) == (value, unit)


@pytest.mark.parametrize(
    "text", ["nan", "inf", "1e999", "98,7", "1 234", "12,34.5", "1_000", "٣", "0x1f", "7 parsecs", "--1"]
)
def test_what_is_no_number_is_not_guessed(text: str) -> None:
    """A comma may be a point or nothing; both were guesses."""
    with pytest.raises(ValueError, match=r"is no number|nobody knows"):
        read_score(text)


def test_one_score_printed_twice_is_one() -> None:
    """A progress line and a summary may say the same in two ways."""
    assert one_score(["98.70 %", "98.7%"]) == (98.7, "%")


def test_the_time_limit_ends_all_that_was_started(tmp_path: Path) -> None:
    """One that heeds no SIGTERM, and one that has left for a session of its own."""
    code = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if os.fork() == 0:\n    os.setsid()\n    name = 'gone-off'\nelse:\n    name = 'stubborn'\n"
        "open(name, 'w').write(str(os.getpid()))\nprint(name, flush=True)\ntime.sleep(300)\n"
    )
    result = python(tmp_path, code, limit_s=1.0, pattern="stubborn")
    assert result.failures == (
        "python: did not end within 1 s; give the check a longer limit, or the program less to do",
    )
    assert "stubborn" in result.output
    assert not lives(tmp_path / "stubborn")
    if Path("/proc/self/environ").exists():
        assert not lives(tmp_path / "gone-off")


def test_what_holds_the_output_open_is_not_waited_for(tmp_path: Path) -> None:
    """A server left in the background keeps the pipe; the check ends with its program, and the server with both."""
    code = "import os, time\nif os.fork() == 0:\n    open('server', 'w').write(str(os.getpid()))\n    time.sleep(300)\n"
    code += "while not os.path.exists('server') or not os.path.getsize('server'): pass\nprint('Score: 3')"
    result = python(tmp_path, code, pattern=r"Score: (\d)", metric="m", limit_s=60)
    assert result.failures == ()
    assert not lives(tmp_path / "server")


class InterruptedTestError(Exception):
    """What a time limit of the session raises."""


def test_whatever_interrupts_a_check_nothing_is_left(tmp_path: Path) -> None:
    """A time limit of the session, or Ctrl-C, raises in the middle of it."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        if (tmp_path / "server").exists():
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise InterruptedTestError

    code = "import os, time; open('new', 'w').write(str(os.getpid())); os.rename('new', 'server')"
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    try:
        with pytest.raises(InterruptedTestError):
            python(tmp_path, f"{code}; time.sleep(300)")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not lives(tmp_path / "server")


def test_a_program_that_closes_its_output_is_waited_for(tmp_path: Path) -> None:
    """The end of what it prints is not its own."""
    assert (
        python(
            tmp_path, "import os, time; os.close(1); os.close(2); time.sleep(0.2); os._exit(5)", status=(5,)
        ).failures
        == ()
    )


LONG = "import os\nfor _ in range(80): os.write(1, b'\\xff\\x00x' * 20000)\n"


def test_long_output_is_cut_in_the_middle_and_a_line_at_its_end_is_found(tmp_path: Path) -> None:
    """What is cut is said; garbage bytes are replaced."""
    result = python(tmp_path, f"{LONG}print('\\nScore: 5')", pattern=r"^Score: \d$")
    assert result.failures == ()
    assert len(result.output) <= LONGEST_OUTPUT
    assert "characters cut" in result.output or "bytes cut" in result.output
    assert result.output.endswith("Score: 5\n")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_the_score_of_an_output_that_was_cut_is_not_known(tmp_path: Path, stream: str) -> None:
    """Another one may have stood in the middle."""
    code = f"{LONG.replace('(1,', '(1,' if stream == 'stdout' else '(2,')}print('\\nScore: 5')"
    result = python(tmp_path, code, pattern=r"^Score: (\d)$", metric="m")
    assert result.measured == ()
    (failure,) = result.failures
    assert failure.startswith("pattern: the output is too long to know its score, of which 2,8")
    assert failure.endswith("bytes in the middle were not kept; have python print less")


def test_a_line_that_was_cut_in_two_is_not_looked_at() -> None:
    """Its rest could be a number, or a word, that nobody printed."""
    assert whole_lines(("one\nScore: 9", "8.7\ntwo\n")) == ("one\n", "two\n")
    assert whole_lines(("no end", "of a line")) == ("", "")
    assert whole_lines(("Score: 98.7",)) == ("Score: 98.7",)


def test_a_number_that_a_signal_may_have_cut_is_not_read(tmp_path: Path) -> None:
    """Nobody knows what was still to be printed."""
    code = "import os; os.write(1, b'Score: 9'); os.kill(os.getpid(), 9)"
    result = python(tmp_path, code, pattern=r"Score: ([\d.]+)", metric="m")
    assert (result.measured, result.failures) == ((), ("python: ended by SIGKILL, expected 0",))


def test_what_may_print_on_when_its_program_has_ended_has_no_score(tmp_path: Path) -> None:
    """It has hidden from the check, and what it prints may be cut anywhere."""
    code = (
        "import subprocess; server = subprocess.Popen(['sleep', '60'], env={}, start_new_session=True)\n"
        "print('Score: 1')\nopen('server', 'w').write(str(server.pid))"
    )
    try:
        result = python(tmp_path, code, pattern=r"Score: (\d)", metric="m")
    finally:
        os.kill(int((tmp_path / "server").read_text("ascii")), signal.SIGKILL)
    assert result.measured == ()
    (failure,) = result.failures
    assert failure.startswith("pattern: what python left behind holds its output open, so its score is not known")


def test_a_pattern_that_comes_to_no_end_is_ended(tmp_path: Path) -> None:
    """By the limit of the check, and the check says so."""
    result = python(tmp_path, "print('a' * 60 + 'b')", pattern="(?:a+)+$", limit_s=1.0)
    assert result.failures == (
        "pattern: '(?:a+)+$' was still being matched when the check's time was up (limit 1 s); "
        "write one without a repetition inside a repetition",
    )


def test_of_more_matches_than_anybody_reads_none_is_a_score(tmp_path: Path) -> None:
    """Without a metric one is enough."""
    code = "for number in range(2000): print(number)"
    assert "matches more than 1,000 texts" in python(tmp_path, code, pattern=r"\d+", metric="m").failures[0]
    assert python(tmp_path, code, pattern=r"\d+").failures == ()


def test_an_empty_match_with_a_group_is_a_match(tmp_path: Path) -> None:
    """A pattern may look ahead."""
    wanted = {"pattern": r"(?=Score: (\d+)$)", "metric": "m"}
    assert python(tmp_path, "print('Score: 17')", **wanted).measured[0].value == 17


def test_no_more_is_held_than_is_kept() -> None:
    """A program that never stops printing takes no memory."""
    kept = Kept(1000)
    for number in range(10_000):
        kept.add(b"%07d " % number)
    assert len(kept._head) + len(kept._tail) <= 1500
    assert kept.lost == 79_000
    head, tail = kept.pieces()
    assert head.startswith("0000000 0000001")
    assert tail.endswith("0009999 ")
    assert "\n... 79,000 bytes cut ...\n" in kept.text()


def test_no_limit_is_no_limit(tmp_path: Path) -> None:
    """`none` is an infinite number of seconds."""
    begun = time.monotonic()
    assert check(tmp_path, "true", limit_s=math.inf).failures == ()
    assert time.monotonic() >= begun
