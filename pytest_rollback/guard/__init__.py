"""What keeps imports inside a scratch tree. The folder goes first on `PYTHONPATH`; nothing of ours imports from it.

Nothing here may import anything of ours, or much of the standard library: it runs whenever a Python starts.
"""
