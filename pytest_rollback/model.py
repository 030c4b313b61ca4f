"""The words of the product, as frozen types: what was seen, what was decided, what is reported.

Everything here is a plain record. What makes records lives above (`session`, `repo`), what judges them in
`judge`, what prints them in `show`. `Report` is the machine's contract: its fields are the keys of the JSON
report, and `pytest-rollback schema report` is made from it.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

from msgspec import Meta, Struct

SCHEMA = 1
CHECKS = "checks::"  # what the names of tests that are checks of the policy begin with


class Severity(str, Enum):
    """How bad a finding is, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Action(str, Enum):
    """What a finding asks for, most drastic first. All but the last two block."""

    LOCK_DOWN = "lock down"
    ROLL_BACK = "roll back"
    RESTORE = "restore"
    INVESTIGATE = "investigate"
    WATCH = "watch"
    NOTE = "note"


class Level(str, Enum):
    """How much a rollback undoes, smallest first."""

    CHANGE = "change"
    FILE = "file"
    COMMIT = "commit"
    GROUP = "group"
    PHASE = "phase"
    SYSTEM = "system"


class Outcome(str, Enum):
    """What one test did, worst first; a test that was seen twice keeps the worse of the two."""

    CRASHED = "crashed"
    TIMED_OUT = "timed out"
    FAILED = "failed"
    ERROR = "error"
    UNFINISHED = "unfinished"
    NOT_STARTED = "not started"
    WITHHELD = "withheld"
    LEFT_OUT = "left out"
    LEFT_TO_CI = "left to CI"
    SKIPPED = "skipped"
    XFAILED = "xfailed"
    FLAKY = "passed after a rerun"
    XPASSED = "xpassed"
    PASSED = "passed"


class Status(str, Enum):
    """What holding a measurement against its baseline and its limits said."""

    HELD = "held"
    WATCHED = "watched"
    REGRESSED = "regressed"
    OVER_LIMIT = "over limit"
    NO_BASELINE = "no baseline"
    NOT_COMPARABLE = "not comparable"
    TOO_FEW = "too few samples"
    INVALID = "invalid"
    LEFT_TO_CI = "left to CI"


class Verdict(str, Enum):
    """What the gate says of a tree."""

    BLOCKED = "blocked"
    INCONCLUSIVE = "inconclusive"
    PASSED = "passed"


class Reason(str, Enum):
    """Why the verdict is what it is. Of several reasons the one that stands first here is named."""

    FINDINGS = "findings"
    INTERNAL = "internal error"
    UNTOLD = "not told"
    PARTS = "parts"
    UNREADABLE = "unreadable record"
    INTERRUPTED = "interrupted"
    WRONG_TREE = "wrong tree"
    TREE_MOVED = "tree moved"
    USAGE = "usage error"
    COLLECT_ONLY = "collect only"
    NARROWED = "narrowed"
    NO_TESTS = "no gate test"
    NOT_RUN = "not run"
    NOTHING_PASSED = "nothing passed"
    NO_BASELINE = "no baseline"
    NOT_COMPARABLE = "not comparable"
    TOO_FEW = "too few samples"
    INVALID = "invalid measurement"
    NOT_MEASURED = "not measured"
    UNJUDGED = "not judged"
    WATCHING = "watching"
    UNSTEADY = "held after a rerun"
    HELD = "held"


# There is one of these for each test, none is ever part of a cycle, and a collector that walks all of them costs a
# large suite more than the gate itself does: hence gc=False.


class Mark(Struct, frozen=True, gc=False):
    """One gate marker on a test: its group, and the labels inside it."""

    group: str
    labels: tuple[str, ...] = ()


class TestResult(Struct, frozen=True, kw_only=True, gc=False):
    """What one test did. `marks` is empty for a test outside the gate."""

    __test__ = False

    test: str
    outcome: Outcome
    marks: tuple[Mark, ...] = ()
    duration_s: float = 0.0
    message: str = ""
    exceptions: tuple[str, ...] = ()


class Measurement(Struct, frozen=True, kw_only=True):
    """A named number. `metric` is the kind (compliance, performance, ...) whose rules hold for it.

    Where `low` and `high` are given, the true value lies between them as far as anybody can tell, and a row fires or
    does not only where both ends agree. `doubt` says why the number can't be judged at all, with `detail` in words.
    `basis` is what must be kept beside the number so that a later one can be held against it.
    """

    name: str
    value: float
    metric: str = ""
    unit: str = ""
    baseline: float | None = None
    labels: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    samples: int | None = None
    environment: Annotated[str | None, Meta(description="the machine that it holds for; null where for all")] = None
    doubt: Status | None = None
    detail: str = ""
    basis: dict[str, Any] = {}
    test: Annotated[str, Meta(description="the test that measured it")] = ""


class Signal(Struct, frozen=True, kw_only=True):
    """A named fact that is no test and no number, such as `deployment-failed`, with what showed it."""

    name: str
    detail: str = ""
    tests: tuple[str, ...] = ()


class Obstacle(Struct, frozen=True, kw_only=True):
    """Why the gate could not look at all it must look at; each one alone forbids a pass."""

    reason: Reason
    detail: str
    tests: tuple[str, ...] = ()


class Evidence(Struct, frozen=True, kw_only=True):
    """All that one session saw of the gate, before anyone judges it."""

    tests: tuple[TestResult, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    signals: tuple[Signal, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    collected: int = 0
    expected: Annotated[tuple[str, ...], Meta(description="the metrics that have a baseline, and so are measured")] = ()


class Judged(Struct, frozen=True, kw_only=True):
    """A measurement with what was decided about it; one entry of the report's `measurements`."""

    name: str
    value: float | None
    unit: str
    baseline: float | None
    limit: float | None
    change: float | None
    status: Status
    assumed: Annotated[bool, Meta(description="the baseline was never accepted, the policy's stands in")] = False
    metric: Annotated[str, Meta(description="its kind, such as compliance or performance")] = ""
    low: Annotated[float | None, Meta(description="the lower end of what the true value may be")] = None
    high: Annotated[float | None, Meta(description="the upper end")] = None
    samples: int | None = None
    environment: Annotated[str | None, Meta(description="the kind of machine that it holds for; null: for all")] = None
    detail: Annotated[str, Meta(description="what else there is to say, such as why it can't be compared")] = ""


class Finding(Struct, frozen=True, kw_only=True):
    """A trigger that fired, with what fired it."""

    trigger: str
    severity: Severity
    action: Action
    level: Level | None
    deadline_s: float | None
    reason: str
    tests: tuple[str, ...] = ()
    measurements: tuple[str, ...] = ()
    hold_s: Annotated[float | None, Meta(description="how long to investigate or to watch first")] = None


class Judgement(Struct, frozen=True, kw_only=True):
    """What `judge` makes of evidence and policy."""

    verdict: Verdict
    reason: Reason
    steady: bool
    findings: tuple[Finding, ...]
    obstacles: tuple[Obstacle, ...]
    measurements: tuple[Judged, ...]


class Counts(Struct, frozen=True, kw_only=True):
    """How many tests there were and what they did; each selected test is counted once on the second line."""

    collected: int = 0
    selected: int = 0
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    errors: int = 0
    not_run: int = 0
    left_to_ci: int = 0


class Tests(Counts, frozen=True, kw_only=True):
    """The counts of the whole session, and of each group."""

    __test__ = False

    groups: dict[str, Counts] = {}


class Subject(Struct, frozen=True, kw_only=True):
    """What was judged."""

    what: Annotated[str, Meta(description="worktree, staged or commit")] = "worktree"
    tree: str | None = None
    commit: str | None = None
    branch: str | None = None
    live: bool = False
    keyed: Annotated[bool, Meta(description="the commit that follows can find this verdict by its tree")] = False
    uncommitted: bool = False
    unkeyed: Annotated[tuple[str, ...], Meta(description="what was judged and is not in the tree, by name")] = ()


class PolicyUsed(Struct, frozen=True, kw_only=True):
    """Which policy judged."""

    digest: str
    source: str


class Environment(Struct, frozen=True, kw_only=True):
    """Where it ran."""

    digest: str
    python: str
    platform: str


class Base(Struct, frozen=True, kw_only=True):
    """The trusted base, and how it was found."""

    commit: str | None
    how: str
    tree: str | None = None


class LossKind(str, Enum):
    """In which way a change demands less than the trusted base does; the word before the colon of a loss's name."""

    GONE = "gone"
    UNMARKED = "unmarked"
    SKIPPED = "skipped"
    XFAILED = "xfailed"
    LIMIT = "limit"
    SETTING = "setting"
    POLICY = "policy"
    PROTECTED = "protected"
    MACHINE = "machine"
    BASELINE = "baseline"


class Loss(Struct, frozen=True, kw_only=True):
    """One thing that the trusted base demands and the change does not. `name` is what an approval names.

    `gone:tests/test_a.py::test_x`, `policy:triggers.golden-path.action`, `protected:schema/user.json`.
    """

    name: str
    kind: LossKind
    what: Annotated[str, Meta(description="the test, the policy's key, the file or the commit")]
    was: str
    now: str
    approved: Annotated[str | None, Meta(description="who let it pass, and why; null where nobody has")] = None


class Diagnosis(Struct, frozen=True, kw_only=True):
    """What experiments said about a failure."""

    kind: str
    reason: str
    probes: int


class Culprit(Struct, frozen=True, kw_only=True):
    """The commit that brought a regression."""

    commit: str
    inner: str | None
    confidence: float
    verified: bool
    probes: int
    candidates: tuple[str, ...] = ()


class Recommendation(Struct, frozen=True, kw_only=True):
    """What to do. `suspected` follows from the matrix alone; only a rehearsal makes it `proven`."""

    action: Action
    level: Level | None
    status: Annotated[str, Meta(description="proven, suspected or none")]
    reason: str
    target: str | None = None
    commits: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    resulting_tree: str | None = None
    commands: tuple[str, ...] = ()
    deadline_s: float | None = None
    respond_by: str | None = None


class Health(Struct, frozen=True, kw_only=True):
    """How many of the health checks hold."""

    score: int
    of: int
    band: Annotated[str, Meta(description="healthy, degraded, impaired or critical")]
    open: Annotated[tuple[str, ...], Meta(description="those that do not hold, or that nothing showed to hold")] = ()
    listed: Annotated[bool, Meta(description="the policy says which there are, else all are counted")] = False


class Output(Struct, frozen=True, kw_only=True):
    """What a check's own program said, line by line, cut to a readable length."""

    test: str
    lines: tuple[str, ...]


class NotPassed(Struct, frozen=True, kw_only=True):
    """A test that did not simply pass, with what it said."""

    test: str
    groups: tuple[str, ...]
    outcome: Outcome
    message: str
    duration_s: float


class Part(Struct, frozen=True, kw_only=True):
    """Which part of a gate was judged, and what `pytest-rollback merge` needs to judge the whole."""

    number: int
    of: int
    whole: Annotated[str, Meta(description="names the tests of all parts together; parts of one gate agree on it")]
    packed: Annotated[str, Meta(description="policy and evidence, for `pytest-rollback merge` alone")]


class Contact(Struct, frozen=True, kw_only=True):
    """Who is called for a finding."""

    tier: int
    name: str
    contacts: tuple[str, ...] = ()
    respond_s: float | None = None


class Report(Struct, frozen=True, kw_only=True):
    """Everything a gate has to say; absent facts are null, never left out."""

    schema: int = SCHEMA
    kind: Annotated[str, Meta(description="gate, recovery or proof")] = "gate"
    verdict: Verdict
    reason: Reason
    steady: bool
    mode: Annotated[str, Meta(description="enforce or shadow")]
    subject: Subject
    policy: PolicyUsed
    environment: Environment
    base: Base | None = None
    started: str
    finished: str
    duration_s: float
    whole_suite: Annotated[bool, Meta(description="all tests were run, not only those of the gate")] = False
    tests: Tests
    failed_outside: Annotated[bool, Meta(description="more than gate tests failed: a pass ends with 1")] = False
    findings: tuple[Finding, ...]
    obstacles: tuple[Obstacle, ...]
    not_passed: tuple[NotPassed, ...]
    losses: Annotated[tuple[Loss, ...], Meta(description="what the trusted base demands and this does not")] = ()
    measurements: tuple[Judged, ...]
    diagnosis: Diagnosis | None = None
    culprit: Culprit | None = None
    recommendation: Recommendation | None = None
    call: Contact | None = None
    part: Part | None = None
    stands_on: Annotated[str | None, Meta(description="the event whose verdict was used again; nothing was run")] = None
    health: Health | None = None
    outputs: Annotated[tuple[Output, ...], Meta(description="what programs that the checks ran had to say")] = ()
    notes: tuple[str, ...] = ()
    next: Annotated[str | None, Meta(description="the one command to run next")] = None
