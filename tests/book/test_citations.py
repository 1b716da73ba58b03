"""Two works are never cited by the same words."""

from __future__ import annotations

import re
from collections import defaultdict

from layout import ROOT
from pybtex.database import BibliographyData, parse_file, parse_string


def twins(works: BibliographyData) -> list[list[str]]:
    """Keys whose citations read alike: the same "A", "A and B" or "A et al.", and the same year."""
    cited = defaultdict(list)
    for key, work in works.entries.items():
        names = [" ".join(p.prelast_names + p.last_names) for p in work.persons["author"]]
        who = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
        cited[f"{who}, {work.fields['year']}"].append(key)
    return [keys for keys in cited.values() if len(keys) > 1]


def test_citations_can_be_told_apart() -> None:
    works = parse_file(ROOT / "chapters" / "references.bib")
    assert len(works.entries) > 50
    assert twins(works) == []
    letters = defaultdict(list)  # 2019a without 2019b would be as odd
    for work in works.entries.values():
        year, letter = re.fullmatch(r"(\d{4})([a-z]?)", work.fields["year"]).groups()
        if letter:
            letters[work.persons["author"][0].last_names[0], year].append(letter)
    assert all(sorted(found) == list("abcd"[: len(found)]) for found in letters.values())
    assert all(len(found) > 1 for found in letters.values())


def test_twins_are_seen() -> None:
    entry = "@misc{%s, author={Arora, S. and Du, S. and %s}, year={2019}, title={T}}"
    both = entry % ("one", "Hu, W.") + entry % ("other", "Li, Z.")
    assert twins(parse_string(both, "bibtex")) == [["one", "other"]]
