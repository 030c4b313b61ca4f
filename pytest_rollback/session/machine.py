"""Names the kind of machine that a time or an amount of memory was measured on. It names no host."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from pathlib import Path
from zlib import crc32

MODEL = ("model name", "cpu model", "hardware", "cpu part")


@cache
def machine_key() -> str:
    """Name what times hang on: the interpreter, the system, and the processors; `cpython3.11-linux-x86_64-2-9f3c01ab`.

    Two machines of one make have one name. What else slows one of them down is for the calibration to find out.
    """
    python = f"{sys.implementation.name}{sys.version_info.major}.{sys.version_info.minor}"
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    words = (python, sys.platform, platform.machine().lower() or "unknown", str(processors))
    return f"{'-'.join(words)}-{crc32(_model().encode('utf-8', 'replace')):08x}"


def _model() -> str:
    """Name the processors, as far as the system tells without asking another program."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return platform.processor()
    told = {line.partition(":")[0].strip().lower(): line.partition(":")[2].strip() for line in lines}
    return next((told[key] for key in MODEL if told.get(key)), platform.processor())
