"""The formulas of a verdict's sentences, written in ASCII, as HTML that needs no script.

Plain HTML and not TeX: a verdict is read in the book, in Colab and in JupyterLab, and Colab sets
no TeX in the HTML that a cell prints.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

NAMES = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "eps": "ε",
    "eta": "η",
    "theta": "θ",
    "kappa": "κ",
    "lambda": "λ",
    "pi": "π",
    "rho": "ρ",
    "tau": "τ",
    "zeta": "ζ",
    "Lambda": "Λ",
    "Phi": "Φ",
    "Theta": "Θ",
    "grad": "∇",
}
SIGNS = {"<=": "≤", ">=": "≥", "->": "→", " - ": " − ", "-": "−"}
INNER = r"(?:[^()]|\((?:[^()]|\([^()]*\))*\))*"  # what two pairs of brackets may hold
NAME = "|".join(NAMES)
TOKEN = re.compile(
    rf"sqrt\((?P<root>{INNER})\)|sqrt (?P<bare>\w)\b"
    rf"|\^\((?P<power>{INNER})\)|\^(?P<exponent>-?\w+)"
    rf"|(?P<base>\b(?:{NAME}|[A-Za-z])|\|)_(?P<index>\*|\w+)"
    r"|\b(?P<mantissa>\d+(?:\.\d+)?)e(?P<sign>[+-]?)0*(?P<ten>\d+)\b"
    rf"|\b(?P<greek>{NAME})\b"
    r"|(?P<mark><=|>=|->| - |(?<![\w)])-(?=\d)|(?<=\()-(?=[a-z]))"
    r"|(?<![A-Za-z_'])(?<!Theorem )(?P<letter>[b-zB-DF-HJ-Z])(?!\w|'s)(?P<prime>'?)"
)


def typeset(text: str, plain: Callable[[str], str] = html.escape) -> str:
    """The sentence as HTML: Greek letters, italics, indices, powers, roots, signs.

    ``plain`` makes text safe for the page that the sentence is for.
    """
    pieces, end = [], 0
    for found in TOKEN.finditer(text):
        pieces += [plain(text[end : found.start()]), _formula(found, plain)]
        end = found.end()
    return "".join([*pieces, plain(text[end:])])


def _formula(found: re.Match[str], plain: Callable[[str], str]) -> str:
    part = found.groupdict()
    if part["root"] or part["bare"]:
        inner = typeset(part["root"] or part["bare"], plain)
        return f"√{inner}" if re.fullmatch(r"\d+|\w(_\w)?", part["root"] or "x") else f"√({inner})"
    if part["power"] or part["exponent"]:
        return f"<sup>{typeset(part['power'] or part['exponent'], plain)}</sup>"
    if part["index"]:
        base = f"<i>{part['base']}</i>" if part["base"] in "aA" else typeset(part["base"], plain)
        index = {"*": "∗", "inf": "∞"}.get(part["index"]) or typeset(part["index"], plain)
        return f"{base}<sub>{index}</sub>"
    if part["ten"]:
        factor = "" if part["mantissa"] == "1" else f"{part['mantissa']}·"
        return f"{factor}10<sup>{'−' * (part['sign'] == '-')}{part['ten']}</sup>"
    if part["greek"]:
        return NAMES[part["greek"]]
    if part["mark"]:
        return SIGNS[part["mark"]]
    return f"<i>{part['letter']}</i>{'′' if part['prime'] else ''}"
