"""What surrounds a session, as digests: what may make the same tree behave in another way, and what was asked of it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from pytest_rollback.model import Environment
from pytest_rollback.policy.rules import Policy

NO = ("", "0", "false", "no", "off")
INSTALLED = (".dist-info", ".egg-info")
FOLLOWED = ("--gate-report", "--gate-policy", "--color", "--tb", "--durations", "-r")
MATTERING = ("PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTHONPATH", "PYTHONHASHSEED")
HARMLESS = re.compile(
    r"-[qv]+|--quiet|--verbose|--safety-gate|--gate-staged|--gate-no-record|--no-header|--no-summary|-r\w+|"
    r"--(tb|color|durations|gate-report|gate-policy)=.*",
    re.DOTALL,
)


def is_ci() -> bool:
    """Whether this runs in CI, as far as anybody says so."""
    return os.environ.get("CI", "").lower() not in NO


def environment_of(top: Path | None) -> Environment:
    """Describe where it ran. What is installed from the judged repository belongs to the tree, and does not count."""
    python = platform.python_version()
    machine = (python, platform.python_implementation(), sys.platform, platform.machine())
    digest = hashlib.sha256("\n".join([*machine, *sorted(_distributions(top))]).encode()).hexdigest()
    return Environment(digest=digest, python=python, platform=f"{sys.platform}-{platform.machine()}")


def _distributions(top: Path | None) -> set[str]:
    """Name what is installed, with versions, by the folders alone: reading their metadata costs a small gate's time."""
    ours = os.path.realpath(top) if top is not None else None
    found: set[str] = set()
    for folder in sys.path:
        with suppress(OSError), os.scandir(folder or ".") as entries:
            found.update(entry.name for entry in entries if entry.name.endswith(INSTALLED) and not _is_of(ours, entry))
    return found


def _is_of(top: str | None, entry: os.DirEntry[str]) -> bool:
    """Whether a distribution was installed from the repository: it lies there, or says that it comes from there."""
    if top is None:
        return False
    if entry.name.endswith(".egg-info"):
        return os.path.realpath(entry.path).startswith(top + os.sep)
    try:
        said = json.loads(Path(entry.path, "direct_url.json").read_bytes())
        path = os.path.realpath(unquote(urlsplit(said["url"]).path))
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return path == top or path.startswith(top + os.sep)


def selection_of(asked: Asked) -> str:
    """Digest what was asked of a session: two that were asked the same select the same tests of the same tree."""
    return hashlib.sha256(repr(asked).encode("utf-8", "backslashreplace")).hexdigest()


class Asked(Struct, frozen=True, kw_only=True):
    """What decides which tests of a tree run, and how."""

    root: str
    groups: tuple[str, ...]
    whole_suite: bool
    shard: str
    arguments: tuple[str, ...]
    from_environment: tuple[str, ...]
    flags: str


def asked_of(
    arguments: Sequence[str], *, root: str, policy: Policy, staged: bool, whole_suite: bool, shard: str
) -> Asked:
    """Gather what was asked, without what changes only how it is told. An option that nobody knows counts."""
    groups = (group.name for group in policy.groups if group.at == "commit" or not staged)
    return Asked(
        root=root,
        groups=tuple(sorted(groups)),
        whole_suite=whole_suite,
        shard=shard,
        arguments=tuple(_telling(arguments)),
        from_environment=(
            *_telling(os.environ.get("PYTEST_ADDOPTS", "").split()),
            *(f"{name}={os.environ[name]}" for name in MATTERING if name in os.environ),
        ),
        flags=f"{sys.flags} {sys.warnoptions}",
    )


def _telling(arguments: Iterable[str]) -> Iterator[str]:
    """Drop the arguments that change nothing of what is judged."""
    rest = iter(arguments)
    for argument in rest:
        if argument in FOLLOWED:
            next(rest, None)
        elif not HARMLESS.fullmatch(argument):
            yield argument
