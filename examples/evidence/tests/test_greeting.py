"""What must never break: everybody is greeted by name."""

import pytest

from greeting import greet_all


@pytest.mark.golden_path
def test_everybody_is_greeted() -> None:
    """Somebody who is left out does not come back."""
    assert greet_all(["Ada", "Grace"]) == "Hello, Ada!\nHello, Grace!"
