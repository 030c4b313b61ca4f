"""Checks that need no test code. Each file runs one kind of them; `items` makes pytest items of those of the policy."""
