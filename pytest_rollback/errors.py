"""What the fixtures raise and warn of, for those who want to catch it."""

from __future__ import annotations


class RegressionError(AssertionError):
    """A number is worse than the policy lets pass. A test that fails by this alone failed for its numbers."""


class MeasurementError(Exception):
    """A number can't be measured as asked; says what to change."""


class MeasurementWarning(UserWarning):
    """A number is watched, or could not be judged."""
