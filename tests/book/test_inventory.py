"""The list of what the site runs: every script, its version, its licence, its bytes."""

from __future__ import annotations

import hashlib
import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_every_script_of_the_site_is_listed(site: Path) -> None:
    static = site / "_static"
    listed = json.loads((static / "sbom.cdx.json").read_text(encoding="utf-8"))
    assert (listed["bomFormat"], listed["specVersion"]) == ("CycloneDX", "1.5")
    files = {f["name"]: f for c in listed["components"] for f in c["components"]}
    own = {p.name for p in (ROOT / "_static").rglob("*.js")}
    there = {p.relative_to(static).as_posix() for p in static.rglob("*.js")} - own
    assert set(files) == there
    for name, file in files.items():
        assert (
            file["hashes"][0]["content"] == hashlib.sha256((static / name).read_bytes()).hexdigest()
        )
    for component in listed["components"]:
        assert component["version"][0].isdigit()
        assert component["licenses"][0]["expression"]
    versions = {c["name"]: c["version"] for c in listed["components"]}
    assert versions["MathJax"].startswith("3.")
    assert "Apache License" in (static / "mathjax" / "LICENSE").read_text(encoding="utf-8")


def test_a_script_of_unknown_origin_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "tracker.js").write_text("1;\n", encoding="utf-8")
    components = runpy.run_path(str(ROOT / "_ext" / "inventory.py"))["components"]
    with pytest.raises(ValueError, match=r"tracker\.js in the site is of unknown origin"):
        components(tmp_path, set())
    assert components(tmp_path, {"tracker.js"}) == []
