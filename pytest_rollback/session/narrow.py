"""Notices when a gate was made to look at less than all of it. Such a gate may block, but can't pass.

What the project's own committed configuration leaves out (`testpaths`, `norecursedirs`, `collect_ignore`, an
`--ignore` in `addopts`) is how the project defines its suite; what is typed on top of that narrows the gate.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest.main import pytest_ignore_collect as ignored_by_pytest

ROOT_FILES = ("pytest-rollback.toml", "setup.py")
CONFIG_FILES = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
COLLECTING_PLUGINS = ("no:python", "no:unittest")
# Without these, tests are not found, not ended in time, or pass though something in them went wrong.
LEANT_ON = frozenset(
    {
        "anyio",
        "asyncio",
        "doctest",
        "pytest_timeout",
        "python",
        "rollback",
        "skipping",
        "subtests",
        "threadexception",
        "timeout",
        "trio",
        "twisted",
        "unittest",
        "unraisableexception",
        "warnings",
    }
)
MUTING = ("--gate-shard", "--gate-no-record", "--gate-policy")
COLLECTION_SETTINGS = (
    "strict_xfail",
    "xfail_strict",
    "testpaths",
    "norecursedirs",
    "python_files",
    "python_classes",
    "python_functions",
    "collect_imported_tests",
    "addopts",
)


def narrowings(config: pytest.Config, top: Path | None) -> Iterator[str]:
    """Say how the options narrow the gate in ways that leave no trace among the collected tests."""
    own = _in_addopts(config)
    yield from _by_paths(config, top)
    yield from _by_configuration(config)
    yield from _by_leaving_out(config, own)
    for setting in config.getoption("override_ini", None) or ():
        if setting.partition("=")[0].strip() in COLLECTION_SETTINGS and setting not in own.override_ini:
            yield f"-o {setting}"
    if sys.flags.optimize and config.getoption("assertmode", default="") == "plain":
        yield "PYTHONOPTIMIZE with --assert=plain, under which no assert asserts"


def _by_leaving_out(config: pytest.Config, own: argparse.Namespace) -> Iterator[str]:
    """Say which files, conftests and plugins the command line leaves out."""
    for option, name in (("ignore", "--ignore"), ("ignore_glob", "--ignore-glob")):
        for path in config.getoption(option, None) or ():
            if str(path) not in getattr(own, option):
                yield f"{name} {path}"
    if config.getoption("lf", default=False):
        yield "--last-failed"
    if config.getoption("noconftest", default=False):
        yield "--noconftest, where markers may come from"
    cut = config.getoption("confcutdir", default=None)
    if cut and str(cut) not in own.confcutdir and config.rootpath in Path(config.invocation_params.dir, cut).parents:
        yield f"--confcutdir {cut}, beyond which markers may come from"
    for plugin in config.getoption("plugins", None) or ():
        if plugin in COLLECTING_PLUGINS and plugin not in own.plugins:
            yield f"-p {plugin}, which collects tests"


def _by_paths(config: pytest.Config, top: Path | None) -> Iterator[str]:
    """Say whether less than the whole project was started."""
    root = config.rootpath
    started = config.invocation_params.dir
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        if set(config.args) <= set(config.getini("addopts")):
            return  # the project's own configuration says where its tests are
        given = [Path(started, arg.partition("::")[0]) for arg in config.args]
        named = any("::" in arg for arg in config.args) or config.option.pyargs
        if named or not _cover(given, config):
            yield f"paths: {' '.join(config.args)}"
    elif root != started and started not in root.parents:
        yield f"a start below the root ({started.relative_to(root) if started.is_relative_to(root) else started})"
    if not _is_confirmed_root(config) and top is not None and top.resolve() in root.resolve().parents:
        yield f"a start below the root (nothing says that {root.name}/ is one; its repository starts further up)"


def _by_configuration(config: pytest.Config) -> Iterator[str]:
    """Say whether another configuration was put in the place of the project's own."""
    typed = config.getoption("inifilename", None)
    if typed and config.inipath is not None:
        own = next((path for name in CONFIG_FILES if (path := config.rootpath / name).is_file()), None)
        if own is None or own.resolve() != config.inipath.resolve():
            yield f"-c {typed}, which is not the configuration that pytest finds by itself"
    if config.getoption("rootdir", None) and (config.inipath is None or config.inipath.parent != config.rootpath):
        yield f"--rootdir {config.option.rootdir}, where no configuration of pytest stands"


def _cover(given: list[Path], config: pytest.Config) -> bool:
    """Whether paths cover all that a plain start would collect."""
    root = config.rootpath
    whole = [path for pattern in config.getini("testpaths") for path in root.glob(pattern)] or [root]
    covering = {path.resolve() for path in given}
    reaches = [path.resolve() for path in whole]
    return all(covering & {reach, *reach.parents} for reach in reaches)


def _is_confirmed_root(config: pytest.Config) -> bool:
    """Whether anything says that pytest's root is the project's: it guesses one where there is no configuration."""
    if config.inipath is not None and config.inipath.parent == config.rootpath:
        return True
    return any((config.rootpath / name).is_file() for name in ROOT_FILES)


def _in_addopts(config: pytest.Config) -> argparse.Namespace:
    """Read what the project's own configuration leaves out."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for options, dest in (
        (["--ignore"], "ignore"),
        (["--ignore-glob"], "ignore_glob"),
        (["-o", "--override-ini"], "override_ini"),
        (["--confcutdir"], "confcutdir"),
        (["-p"], "plugins"),
    ):
        parser.add_argument(*options, dest=dest, action="append", default=[])
    return parser.parse_known_args(config.getini("addopts"))[0]


def turned_off(config: pytest.Config) -> set[str]:
    """Name the plugins that a gate leans on and that the project's own configuration turns off."""
    return {plugin.removeprefix("no:") for plugin in _in_addopts(config).plugins if plugin.startswith("no:")} & LEANT_ON


def own_options_in(config: pytest.Config) -> list[str]:
    """List the options of the gate that the project's configuration gives, of those that take something from it."""
    given = (str(argument).partition("=")[0] for argument in config.getini("addopts"))
    return [option for option in given if option in MUTING]


def is_strict(config: pytest.Config) -> bool:
    """Whether an unexpected pass fails by default."""
    return bool(config.getini("strict_xfail"))


def ignoring_plugin(config: pytest.Config, collection_path: Path) -> str | None:
    """Name the plugin that refused a path which pytest and the project's conftest files would collect."""
    if ignored_by_pytest(collection_path, config):
        return None
    known: dict[str, Any] = {"collection_path": collection_path, "config": config, "path": collection_path}
    for impl in reversed(config.pluginmanager.hook.pytest_ignore_collect.get_hookimpls()):
        if impl.wrapper or impl.hookwrapper or impl.function is ignored_by_pytest:
            continue
        if impl.function(**{name: known[name] for name in impl.argnames}):
            return None if Path(str(impl.plugin_name)).name == "conftest.py" else str(impl.plugin_name)
    return None
