"""The environment of every run, read from the one file that make includes too."""

from __future__ import annotations

import re
from pathlib import Path

_FILE = Path(__file__).parents[1] / "environment.mk"
ENVIRONMENT = dict(re.findall(r"^(\w+) := (\w+)$", _FILE.read_text(encoding="utf-8"), re.M))
