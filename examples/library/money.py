"""Amounts of money: exact to the cent, safe to write down and read back."""

import re
from dataclasses import dataclass

PATTERN = re.compile(r"(?P<sign>-?)(?P<units>0|[1-9][0-9]*)\.(?P<cents>[0-9]{2}) (?P<currency>[A-Z]{3})")


@dataclass(frozen=True)
class Money:
    """An amount in one currency, counted in whole cents."""

    cents: int
    currency: str

    @classmethod
    def parse(cls, text: str) -> "Money":
        """Read an amount such as `-12.34 EUR`; anything else is a ValueError."""
        match = PATTERN.fullmatch(text)
        if match is None:
            raise ValueError(f"not an amount of money: {text!r}")
        cents = int(match["units"] + match["cents"])
        return cls(-cents if match["sign"] else cents, match["currency"])

    def __str__(self) -> str:
        """Write the amount such that `parse` reads it."""
        units, cents = divmod(abs(self.cents), 100)
        return f"{'-' if self.cents < 0 else ''}{units}.{cents:02} {self.currency}"

    def __add__(self, other: "Money") -> "Money":
        """Add an amount of the same currency."""
        if other.currency != self.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}")
        return Money(self.cents + other.cents, self.currency)

    def split(self, parts: int) -> list["Money"]:
        """Cut the amount into parts that differ by at most one cent and add up to it exactly."""
        if parts < 1:
            raise ValueError("an amount has at least one part")
        share, rest = divmod(self.cents, parts)
        return [Money(share + (part < rest), self.currency) for part in range(parts)]
