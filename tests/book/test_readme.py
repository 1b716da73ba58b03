"""README's example runs as it stands there, and prints what stands there."""

from __future__ import annotations

import re

import pytest
from layout import ROOT


def test_the_example_prints_what_readme_says(capsys: pytest.CaptureFixture[str]) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    (output,) = re.findall(r"```text\n(.*?)```", readme, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == output
