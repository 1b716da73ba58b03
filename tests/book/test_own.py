"""The page on own models, sets and losses: its code runs in order, and prints what stands there."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from layout import ROOT

PAGE = (ROOT / "chapters" / "own.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)
ROW = re.compile(r"^\| .* \| `([^|]*)` \|$", re.MULTILINE)


def test_the_page_runs_from_top_to_bottom(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    module = ModuleType("own_page")
    monkeypatch.setitem(sys.modules, "own_page", module)  # where dataclass looks
    with torch.random.fork_rng(devices=[]):
        for code, said in BLOCK.findall(PAGE):
            exec(compile(code, "own.md", "exec"), module.__dict__)
            assert capsys.readouterr().out == said
        calls = 0
        for section in re.split(r"^## Coming from ", PAGE, flags=re.MULTILINE)[1:]:
            held = dict(module.__dict__)
            if not section.startswith("neural"):  # x is the images, of the block before the tables
                exec(compile(images(), "own.md", "exec"), held)
            for call in ROW.findall(section):
                found = eval(compile(call, "own.md", "eval"), held)
                assert found is not None
                calls += 1
        assert calls == len(re.findall(r"^\| [^-].* \|$", PAGE, re.MULTILINE)) - 3  # three heads


def images() -> str:
    """The block that makes the images of the first two tables."""
    (block,) = [code for code, _ in BLOCK.findall(PAGE) if "torch.rand(" in code]
    return block
