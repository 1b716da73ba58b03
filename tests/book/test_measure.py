"""The counts of measure.py: what the book must keep to, and that each count can see a fault."""

from __future__ import annotations

from pathlib import Path

import pytest
from layout import PAGES
from measure import Faults, measure, on_a_phone, on_paper
from playwright.sync_api import Browser
from visits import PHONE, visiting

# One worker each for phone and paper, since the sums go over all pages.
WIDE_FORMULAS = 5


@pytest.mark.xdist_group("phone")
def test_on_a_phone_formulas_fit_and_what_scrolls_shows_it(browser: Browser, site: Path) -> None:
    seen = Faults()
    for name in PAGES:
        seen += measure(browser, (site / name).as_uri(), kinds=("phone",))
    assert seen.formulas >= 100  # they were found
    assert seen.wide_in_statements == []
    assert len(seen.wide_elsewhere) <= WIDE_FORMULAS, seen.wide_elsewhere
    assert seen.without_a_sign == []
    assert seen.signs_of_nothing == []
    assert seen.begun_by_punctuation == []


@pytest.mark.xdist_group("paper")
@pytest.mark.parametrize("name", PAGES)
def test_on_paper_nothing_is_cut_torn_empty_or_pale(
    browser: Browser, site: Path, name: str
) -> None:
    seen = measure(browser, (site / name).as_uri(), theme="dark", kinds=("paper",))
    assert seen.pages >= 1
    assert seen == Faults(pages=seen.pages)


BAD = """<!doctype html><html><head><title>Bad</title><style>
  body { margin: 0; background: #111; } pre, .scroll { overflow: auto; margin: 0; }
  mjx-container { display: inline-block; } p { color: #222; font: 16px monospace; margin: 0; }
  mjx-container[display] { display: block; overflow: auto; } .tall { height: 880px; }
  .rl-verdict { height: 400px; }
  @page { size: A4; margin: 15mm; }
</style></head><body><article>
  <div class="proof theorem"><mjx-container display="true"><mjx-math
    style="display: block; width: 900px">x</mjx-math></mjx-container></div>
  <mjx-container display="true"><mjx-math style="display: block; width: 900px">y</mjx-math>
  </mjx-container>
  <p><mjx-container style="width: 388px">z</mjx-container><span>, and so on</span></p>
  <p><mjx-container style="width: 80px; mask-image: linear-gradient(black, white)">
    <mjx-math>w</mjx-math></mjx-container></p>
  <div class="cell_output"><pre><span>{long}</span></pre></div>
  <div class="tall"></div>
  <div class="rl-verdict"><p>begins</p><div class="tall"></div><p>ends</p></div>
  <div class="tall" style="break-before: page"></div>
  <div class="cell" style="border: 1px solid"><div style="height: 30px"></div>
    <p style="break-inside: avoid; height: 700px">apart from its frame</p></div>
  <div class="tall" style="break-before: page"></div>
  <div class="cell"><div style="height: 30px"></div>
    <p style="break-inside: avoid; height: 700px">apart from a margin</p></div>
</article></body></html>"""


def test_each_fault_is_seen(browser: Browser, tmp_path: Path) -> None:
    target = tmp_path / "bad.html"
    target.write_text(BAD.replace("{long}", "accuracy 0.123 " * 20), encoding="utf-8")
    with visiting(browser, viewport=PHONE) as visit:
        visit.page.goto(target.as_uri())
        phone = on_a_phone(visit.page)
        paper = on_paper(visit.page)
    assert len(phone.wide_in_statements) == len(phone.wide_elsewhere) == 1
    assert len(phone.without_a_sign) == 3  # two formulas and an output
    assert len(phone.signs_of_nothing) == 1
    assert len(phone.begun_by_punctuation) == 1
    assert len(paper.cut_on_paper) == 3
    assert len(paper.torn_verdicts) == len(paper.empty_frames) == 1
    assert paper.pale_on_paper != []
    assert paper.pages >= 3
