"""The forge that runs a session, if one does: what its environment says, and the files that it reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pytest_rollback.model import Report


class Forge:
    """GitHub's runner, or nobody. The environment is read at the start, since tests change it."""

    def __init__(self, environment: Mapping[str, str], root: Path) -> None:
        self.is_github = environment.get("GITHUB_ACTIONS") == "true"
        summary = environment.get("GITHUB_STEP_SUMMARY") if self.is_github else None
        self.summary = Path(summary).absolute() if summary else None
        self.folder = _below(environment.get("GITHUB_WORKSPACE"), root)

    def annotate(self, report: Report) -> list[str]:
        """Give the lines of output that the forge shows at the files of a change."""
        if not self.is_github:
            return []
        from pytest_rollback.show import github

        return github.annotate(report, self.folder)

    def harmless(self, line: str) -> str:
        """Make a line of output one that the forge does not obey, whatever a test wrote into it."""
        if not self.is_github:
            return line
        from pytest_rollback.show import github

        return github.harmless(line)

    def summarise(self, report: Report) -> list[str]:
        """Add the report to the step's summary, behind what is there; gives why that could not be."""
        if self.summary is None:
            return []
        from pytest_rollback.show import github, markdown

        try:
            with self.summary.open("ab") as file:
                there = file.tell()
                text = "\n\n" * (there > 0) + markdown.render(report)
                data = github.fitted(text, github.SUMMARY_BYTES - there)
                file.write(data)
        except OSError as error:
            return [f"GITHUB_STEP_SUMMARY {self.summary}: could not be written: {error.strerror or error}"]
        return [] if data else [f"GITHUB_STEP_SUMMARY {self.summary}: holds 1 MiB already, and GitHub takes no more"]


def _below(workspace: str | None, root: Path) -> str:
    """Say where pytest's root lies in the repository, which is where the forge's paths begin."""
    if not workspace:
        return ""
    top, below = Path(workspace).resolve(), root.resolve()
    return below.relative_to(top).as_posix() if below.is_relative_to(top) else ""
