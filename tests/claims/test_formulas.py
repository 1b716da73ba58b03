"""The formulas in a verdict's sentences, set without a script, with nothing lost."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest

from robustlib.book.claims.formulas import typeset

CHAPTERS = Path(__file__).resolve().parents[2] / "chapters"
SET = {
    "L_A - L_* <= 0": "<i>L</i><sub>A</sub> − <i>L</i><sub>∗</sub> ≤ 0",
    "sqrt(d/2) and sqrt(T), sqrt k": "√(<i>d</i>/2) and √<i>T</i>, √<i>k</i>",
    "sqrt(1 - (k + 2)/k^2)": "√(1 − (<i>k</i> + 2)/<i>k</i><sup>2</sup>)",
    "(R/eps)^2, 2^(k+1)": "(<i>R</i>/ε)<sup>2</sup>, 2<sup><i>k</i>+1</sup>",
    "C_1^2 <= eps_lin": "<i>C</i><sub>1</sub><sup>2</sup> ≤ ε<sub>lin</sub>",
    "1e-09 or 2.8e-03, 5e+09": "10<sup>−9</sup> or 2.8·10<sup>−3</sup>, 5·10<sup>9</sup>",
    "[-0.51, -0.47]": "[−0.51, −0.47]",
    "loss at W', FGSM's, a net": "loss at <i>W</i>′, FGSM&#x27;s, a net",
    "Theorem B, x < y & f": "Theorem B, <i>x</i> &lt; <i>y</i> &amp; <i>f</i>",
    "the n-gons' epsilon": "the <i>n</i>-gons&#x27; epsilon",
}


@pytest.mark.parametrize("text", SET)
def test_formulas_are_set(text: str) -> None:
    assert typeset(text) == SET[text]


def test_words_stay_words() -> None:
    for text in ("At most a third of the constant", "until a well-known point", "piece, radius"):
        assert typeset(text) == text


def test_no_stored_verdict_shows_raw_marks() -> None:
    """Nor loses anything: undone, the HTML is the text."""
    seen = 0
    for path in sorted(CHAPTERS.glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for output in cell.get("outputs", []):
                page = "".join(output.get("data", {}).get("text/html", ""))
                if "rl-verdict" not in page:
                    continue
                seen += 1
                shown = re.findall(r"<dd[^>]*>(.*?)</dd>|</strong> <strong>(.*?)</strong>", page)
                for row in shown:
                    bare = html.unescape(re.sub("<[^>]*>", "", "".join(row)))
                    assert re.search(r"\^|\w_\w|_\*|sqrt|<=|>=|->|\b\de-\d", bare) is None, bare
                rows = "".join(output["data"]["text/plain"]).splitlines()[1:]
                assert [typeset(row[12:]) for row in rows] == [row[0] for row in shown[1:]]
    assert seen > 80
