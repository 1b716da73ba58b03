"""The search finds the definition first, under every name that the index of terms gives it."""

from __future__ import annotations

import re

import pytest
from layout import PAGES, ROOT
from playwright.sync_api import Browser
from visits import visiting

FIRST = {
    "Theorem B": "07-convergence.html#thm-two-layer",
    "Theorem 6.1": "06-online.html#thm-ogd",
    "regret": "06-online.html#def-regret",
    "robust loss": "01-robust-loss.html#def-losses",
    "surrogate": "01-robust-loss.html#def-losses",
    "PGD": "02-inner-maximum.html#sec-attacks",
    "Danskin": "01-robust-loss.html#prop-danskin",
    "near-convexity": "05-depth.html#prop-near-convexity",
    "VC dimension": "10-capacity.html#def-interpolation",
}
# An entry of the API reference: after the definition where there is one, else first.
ENTRIES = {
    "PGD": (1, "reference/attack.html#robustlib.PGD"),
    "regret": (2, "reference/regret.html#robustlib.regret"),
    "robust_loss": (0, "reference/prove.html#robustlib.robust_loss"),
    "TwoLayerNet": (0, "reference/ingredients.html#robustlib.TwoLayerNet"),
}
HITS = """() => [...document.querySelectorAll("#search-results li")].map(
  hit => [hit.querySelector("a").href, hit.textContent])"""


@pytest.mark.parametrize("query", {**FIRST, **ENTRIES})
def test_the_definition_comes_first_then_the_entry(
    browser: Browser, address: str, query: str
) -> None:
    with visiting(browser, home=(address,)) as visit:
        page = visit.page
        page.goto(f"{address}/search.html?q={query.replace(' ', '+')}")
        page.wait_for_function(
            "() => document.querySelectorAll('#search-results li').length > 2 && "
            "[...document.querySelectorAll('#search-results li')].slice(0, 3)"
            ".every(hit => hit.querySelector('p.context, span'))",  # a name has a description
            timeout=20_000,
        )
        hits = page.evaluate(HITS)
        if query in FIRST:
            assert hits[0][0].endswith(FIRST[query]), hits[:3]
        if query in ENTRIES:
            place, entry = ENTRIES[query]
            assert hits[place][0].endswith(entry), hits[:3]
        for _, text in hits:
            assert re.search(r"\\[a-zA-Z(\[]|\$", text) is None, text
            assert "Contents" not in text.partition("...")[2][:40]
        assert visit.faults + visit.strangers == []


def test_the_index_of_terms_is_sorted_and_whole() -> None:
    lines = (ROOT / "chapters" / "terms.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ") and "{" in line]
    names = [row.split(" | ")[0].removeprefix("| ").lower() for row in rows]
    assert names == sorted(names)
    assert len(names) >= 40
    assert "chapters/terms.html" in PAGES
