"""``--shuffle SEED``: another seed is another order, the same seed the same, files in one piece."""

from __future__ import annotations

from pathlib import Path

import pytest

FILES = [f"test_{letter}" for letter in "abcdef"]
TESTS = [f"test_{number}" for number in range(6)]
PLAIN = [(file, test) for file in FILES for test in TESTS]


class Order:
    """The tests that a run would take, in their order."""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.names = [(item.path.stem, item.name) for item in session.items]


def test_the_order_is_the_seeds(
    tmp_path: Path,
    pytestconfig: pytest.Config,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for file in FILES:
        lines = "\n".join(f"def {test}(): pass" for test in TESTS)
        (tmp_path / f"{file}.py").write_text(lines, encoding="utf-8")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)  # which may shuffle these tests as well
    conftest = pytestconfig.pluginmanager.get_plugin(str(Path(__file__).parents[1] / "conftest.py"))
    off = [f"-pno:{plugin}" for plugin in ("cacheprovider", "unraisableexception")]
    fixed = [str(tmp_path), f"--rootdir={tmp_path}", "-q", "--collect-only", *off]
    fixed.append("--import-mode=importlib")

    def order(*option: str) -> list[tuple[str, str]]:
        found = Order()
        assert pytest.main([*fixed, *option], plugins=[conftest, found]) == 0
        said = f"tests in random order: {' '.join(option)}\n" in capsys.readouterr().out
        assert said == bool(option)
        return found.names

    one, two = order("--shuffle", "1"), order("--shuffle", "2")
    assert order() == sorted(one) == sorted(two) == PLAIN
    assert order("--shuffle", "1") == one
    assert len({tuple(names) for names in (PLAIN, one, two)}) == 3
    pieces = [one[k : k + len(TESTS)] for k in range(0, len(one), len(TESTS))]
    assert [len({file for file, _ in piece}) for piece in pieces] == [1] * len(FILES)
    assert len({tuple(test for _, test in piece) for piece in pieces}) > 1
