"""Says how long something takes, and how much longer than it took before, from samples of its time.

What is reported is the median by the wall clock. What is compared is the *own time* of a call: what it used of the
processor or waited for, but not the time in which the system let others run. A loaded machine changes that little. What
still changes it is the speed of the processor at that moment (its clock, a neighbour on the same core), and that is
read off a known piece of work, the calibration, which is timed before and after each sample.

Of the samples those count beside which the machine was calm: both calibrations about as fast as they ever were. They
are chosen by the calibration and never by their own time, so a slower function can't hide. Each is held against its own
calibration. A machine that goes to and fro between two speeds, as a virtual one may, is met at the faster one both
times, and then there is nothing left to scale.

Where there is, how far a function follows the calibration depends on what it does. Measured between processes, on a
machine that changed its speed by a factor of 1.4 from minute to minute: code that makes objects, strings and
dictionaries followed it (elasticity 0.85 to 1.0), loops over integers by 0.6 to 0.7, hashing in C by 0.3. So a
time is scaled by `MIDDLE`, and the interval holds what any elasticity of `FROM` to `TO` would say: it is narrow where
the machine is as it was, and wide where it is not. A function that waits is not scaled at all. What no calibration
tells is how crowded the memory is: a function that walks through much of it without an order has a wide interval on a
loaded machine, and may still be called slower there.

The middle and its interval are those of Hodges and Lehmann, on logarithms. Two processes that run the same code differ
by 1 to 3 % for good (the addresses, the seed of the hashes), however often each looks; `BETWEEN` stands for that.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

CPU, WAITING, UNKNOWN = "cpu", "waiting", "unknown"
FROM, MIDDLE, TO = 0.4, 0.8, 1.1
ELASTICITY = {CPU: (FROM, MIDDLE, TO), WAITING: (0.0, 0.0, 0.0), UNKNOWN: (0.0, 0.5, TO)}
BETWEEN = 0.04  # two sigma of what lies between two processes
APART = 0.08  # the same where the calibration was not interleaved
CONFIDENCE = 0.99
SIGMAS = 2.576  # of the normal distribution, for that
MOST = 60  # samples of which all pairs are looked at
ENOUGH = 8  # calm samples, where there are so many at all
CALM = 1.1  # times what the calibration takes at its fastest
FEWEST = 5
SMALL = 1.5  # the whole range of so few samples is still too narrow
BUSY = 0.8  # from this share of its time on the processor, a call is bound by it
PARALLEL = 1.2  # and from this one on more than one thread of it ran
CLOCK = 1e-4  # a sample that is shorter counts too much of the clocks for that
FARTHEST = 3.0  # one machine, idle and crowded, differed from itself by 2.2 at most; beyond, it is another one
WORK = 1  # which piece of work the calibration is
TINIEST = 1e-10
LEAST, MOST_OF_ALL = TINIEST / 2, 1e12  # of any number that was kept


class Sample(NamedTuple):
    """One sample: the seconds of all calls in it.

    `before` and `after` are those of one unit of the calibration. `cpu` is null where only the wall clock was read.
    `delay` is how long the system let others run meanwhile.
    """

    wall: float
    before: float
    after: float
    cpu: float | None = None
    delay: float = 0.0

    @property
    def spent(self) -> float:
        """Give its time without the delays, of which some may lie just before it or behind it."""
        return max(self.wall - self.delay, min(self.wall, self.cpu or 0.0))

    @property
    def speed(self) -> float:
        """Give the logarithm of what a unit of the calibration took around it."""
        return _log((self.before + self.after) / 2)


class Pace(Struct, frozen=True, kw_only=True):
    """How long one call takes. `wall` is the median by the wall clock, with its interval.

    `seconds` is the median of its own time where the calibration takes `calibration`; `spread` half the interval of
    that, and `unsteady` the distance of the calibration's quartiles, both as logarithms.
    """

    kind: str
    samples: int
    batch: int
    wall: float
    wall_low: float
    wall_high: float
    seconds: float
    spread: float
    calibration: float
    calm: int
    interleaved: bool = True

    @property
    def basis(self) -> dict[str, Any]:
        """Give what must be kept so that a later time can be held against this one."""
        return {
            "kind": self.kind,
            "samples": self.samples,
            "batch": self.batch,
            "seconds": _short(self.seconds),
            "spread": _short(self.spread),
            "calibration": _short(self.calibration),
            "calm": self.calm,
            "interleaved": self.interleaved,
            "work": WORK,
        }


class Compared(NamedTuple):
    """How many times as long it takes now, and between which numbers that lies."""

    ratio: float
    low: float
    high: float


class NotComparable(NamedTuple):
    """Why two times can't be held against each other; `lasts` where more samples would not help."""

    why: str
    lasts: bool = False


class Basis(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was kept of a time."""

    kind: str
    samples: int
    batch: int
    seconds: float
    spread: float
    calibration: float
    calm: int
    interleaved: bool
    work: int


def summarise(samples: Sequence[Sample], batch: int, *, interleaved: bool = True) -> Pace:
    """Say how long a call takes, of samples of `batch` calls each."""
    if not samples or batch < 1:
        msg = "there is nothing to summarise: no sample, or no call in one"
        raise ValueError(msg)
    calm = _calm(samples)
    kind, share = _kind(calm)
    used = list(samples) if kind == WAITING else calm
    middle = ELASTICITY[kind][1]
    calibration = interval([sample.speed for sample in used])[0]
    held, low, high = interval([_log(_own(sample, kind) / batch) - middle * sample.speed for sample in used])
    walls = [sample.wall / batch for sample in samples]
    _, wall_low, wall_high = interval([_log(wall) for wall in walls])
    wall = statistics.median(walls)
    waited = _log(min(share, 1.0)) if kind == CPU else 0.0
    return Pace(
        kind=kind,
        samples=len(samples),
        batch=batch,
        wall=wall,
        wall_low=min(math.exp(wall_low), wall),
        wall_high=max(math.exp(wall_high), wall),
        seconds=math.exp(held + middle * calibration - waited),
        spread=(high - low) / 2,
        calibration=math.exp(calibration),
        calm=len(used),
        interleaved=interleaved,
    )


def compare(basis: Mapping[str, Any], now: Pace) -> Compared | NotComparable:
    """Hold a time against what was kept of an earlier one."""
    then = _read(basis)
    if isinstance(then, NotComparable):
        return then
    why = _why_not(then, now)
    if why is not None:
        return why
    moved = _log(now.calibration) - _log(then.calibration)
    elasticity = [_log(now.seconds) - _log(then.seconds) - share * moved for share in ELASTICITY[now.kind]]
    allowed = BETWEEN if then.interleaved and now.interleaved else APART
    around = math.sqrt(then.spread**2 + now.spread**2 + allowed**2)
    ends = min(elasticity) - around, max(elasticity) + around
    if max(map(abs, ends)) > math.log(1e12):
        return NotComparable("its baseline is so far from it that no change of code explains it; accept a new one")
    return Compared(math.exp(elasticity[1]), math.exp(ends[0]), math.exp(ends[1]))


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Estimate the middle of some values, with the interval in which it lies, as sure as `CONFIDENCE`.

    They are Hodges and Lehmann's: the median of the means of all pairs, and those ranks of them that Wilcoxon's test of
    signs leaves. A median of the values themselves would jump where a machine goes to and fro between two speeds.
    """
    asked = len(values)
    values = _thinned(sorted(values))
    count = len(values)
    pairs = sorted((one + other) / 2 for place, one in enumerate(values) for other in values[place:])
    middle = statistics.median(pairs)
    rank = _rank(count)
    if rank >= 0:
        sharper = math.sqrt(count / asked)
        return middle, middle - sharper * (middle - pairs[rank]), middle + sharper * (pairs[-1 - rank] - middle)
    return middle, middle - SMALL * (middle - values[0]), middle + SMALL * (values[-1] - middle)


def _rank(count: int) -> int:
    """Give how many means of pairs lie outside at each end; -1 where all of them are too few."""
    sigma = math.sqrt(count * (count + 1) * (2 * count + 1) / 24)
    return math.floor(count * (count + 1) / 4 - SIGMAS * sigma) - 1


def _thinned(ordered: list[float]) -> list[float]:
    """Leave so many of them that all pairs can be looked at, evenly over the ranks."""
    if len(ordered) <= MOST:
        return ordered
    step = len(ordered) / MOST
    return [ordered[int((place + 0.5) * step)] for place in range(MOST)]


def _calm(samples: Sequence[Sample]) -> list[Sample]:
    """Leave out what was sampled while the machine was slower than it can be, as its calibration says, not its time."""
    speeds = sorted(max(sample.before, sample.after) for sample in samples)
    enough = speeds[min(len(speeds), max(ENOUGH, len(speeds) // 5)) - 1]
    limit = max(enough, speeds[len(speeds) // 10] * CALM)
    return [sample for sample in samples if max(sample.before, sample.after) <= limit]


def _kind(samples: Sequence[Sample]) -> tuple[str, float]:
    """Say whether a call uses the processor or waits, and for which share of its time it uses it."""
    shares = [sample.cpu / max(sample.spent, TINIEST) for sample in samples if sample.cpu is not None]
    if len(shares) < len(samples):
        return UNKNOWN, 1.0
    share = statistics.median(shares)
    is_long = statistics.median(sample.wall for sample in samples) > CLOCK
    return (CPU if share >= BUSY and not (share > PARALLEL and is_long) else WAITING), share


def _own(sample: Sample, kind: str) -> float:
    """Give the own time of a sample."""
    if kind == CPU and sample.cpu is not None:
        return sample.cpu
    return sample.spent if kind == WAITING else sample.wall


def _read(basis: Mapping[str, Any]) -> Basis | NotComparable:
    """Read what was kept, and say which key of it can't be right."""
    try:
        read = msgspec.convert(basis, Basis)
    except (ValueError, TypeError, RecursionError) as error:
        said = str(error).replace("`", "").replace(" - at $.", ": ").split("\n", 1)[0] or type(error).__name__
        return _useless(said)
    for key in ("samples", "calm", "batch", "seconds", "spread", "calibration"):
        value = getattr(read, key)
        if not (0 if key == "spread" else LEAST) <= value <= MOST_OF_ALL:
            return _useless(f"{key} is {value!r}")
    if read.kind not in ELASTICITY:
        return _useless(f"kind is {read.kind!r}, expected {', '.join(ELASTICITY)}")
    return read


def _useless(said: str) -> NotComparable:
    return NotComparable(f"the basis of its baseline can't be used: {said}; accept a new one", lasts=True)


def _why_not(then: Basis, now: Pace) -> NotComparable | None:
    """Say what keeps two times from being compared."""
    if then.work != WORK:
        return NotComparable("its baseline was calibrated by another version's work; accept a new one", lasts=True)
    for samples, what in ((then.samples, "its baseline has"), (now.samples, "there are")):
        if samples < FEWEST:
            return NotComparable(f"{what} only {samples} samples of at least {FEWEST}", lasts=what != "there are")
    if then.kind != now.kind:
        said = f"({_time(then.seconds)} then, {_time(now.seconds)} now)"
        return NotComparable(f"{_IN_WORDS[then.kind]} when its baseline was taken, {_IN_WORDS[now.kind]} now {said}")
    factor = max(now.calibration / then.calibration, then.calibration / now.calibration)
    if factor > FARTHEST and now.kind != WAITING:
        which = "slower" if now.calibration > then.calibration else "faster"
        return NotComparable(f"the machine is {factor:.1f} times {which} than when its baseline was taken")
    return None


_IN_WORDS = {CPU: "it kept the processor busy", WAITING: "it waited", UNKNOWN: "only the wall clock was read"}


def _log(value: float) -> float:
    return math.log(max(value, TINIEST))


def _short(value: float) -> float:
    """Keep the digits that mean something."""
    return float(f"{value:.6g}")


def _time(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
