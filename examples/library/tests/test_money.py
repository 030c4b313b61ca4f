"""Money: no cent is lost, on paper or in a sum."""

import pytest

from money import Money


@pytest.mark.golden_path
@pytest.mark.parametrize("cents", [0, 1, -1, 9, -10, 99, 100, -100, 101, 123456789, -(10**18) - 5])
def test_written_amount_reads_back_the_same(cents: int) -> None:
    """Invoices and files hold amounts as text: writing and reading must give the same amount."""
    amount = Money(cents, "EUR")
    assert Money.parse(str(amount)) == amount


@pytest.mark.golden_path
@pytest.mark.parametrize("cents", [0, 100, 101, -101, 1, -1])
@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_split_loses_no_cent(cents: int, parts: int) -> None:
    """A bill that is shared adds up to the bill, and nobody pays more than a cent above another."""
    shares = Money(cents, "EUR").split(parts)
    assert len(shares) == parts
    assert sum(share.cents for share in shares) == cents
    assert max(share.cents for share in shares) - min(share.cents for share in shares) <= 1


@pytest.mark.parametrize("text", ["", "1 EUR", "1.5 EUR", "01.50 EUR", "1.50", "1,50 EUR", "1.50 EUR\n"])
def test_unclear_amount_is_refused(text: str) -> None:
    """A guess at an unclear amount is worse than none."""
    with pytest.raises(ValueError, match="not an amount"):
        Money.parse(text)


def test_split_into_no_parts_is_refused() -> None:
    """Cutting an amount into no parts would lose all of it."""
    with pytest.raises(ValueError, match="at least one part"):
        Money(100, "EUR").split(0)


def test_currencies_do_not_mix() -> None:
    """Adding two currencies without a rate has no meaning."""
    assert Money(1, "EUR") + Money(2, "EUR") == Money(3, "EUR")
    with pytest.raises(ValueError, match="cannot add USD to EUR"):
        Money(1, "EUR") + Money(1, "USD")
