"""README's example runs as it stands there."""

from __future__ import annotations

import re

import pytest
from layout import ROOT


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    assert len(blocks) == 1
    names: dict[str, object] = {}
    exec(compile(blocks[0], "README.md", "exec"), names)
    printed = capsys.readouterr().out
    assert re.search(r"surrogate loss 0\.4142 at step 0, least 0\.0\d+ at step", printed)
