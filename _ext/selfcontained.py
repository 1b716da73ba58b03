"""Make every built page stand alone: nothing asked of another host, upstream's faults mended.

Works on the written pages, so that a plain ``jupyter-book build .`` gives the same site as
``make book``.
"""

import functools
import itertools
import re
import shutil
from pathlib import Path

import mathjax  # plain files from the pip package django-static-mathjax; no Django is needed
from sphinx.application import Sphinx

# tex-chtml.js loads the other parts by itself when a formula or MathJax's menu asks for them.
MATHJAX_PARTS = ["tex-chtml.js", "output/chtml/fonts/woff-v2", "input/tex/extensions", "a11y"]

# (pattern, replacement): each mends a fault of a package we build with. All are idempotent,
# because an incremental build meets pages it has mended before.
REPAIRS = [
    # sphinx-thebe: loaded by Jupyter Book although no page offers live code; it declares
    # THEBE_JS_URL twice, an error in every page's console, and names another host.
    (r"\s*<script>const THEBE_JS_URL.*?</script>", ""),
    (r'\s*<script[^>]*src="[^"]*sphinx-thebe\.js[^"]*"></script>', ""),
    (r'\s*<link[^>]*href="[^"]*sphinx-thebe\.css[^"]*" />', ""),
    (r'\s*<script type="text/x-thebe-config">.*?</script>', ""),
    (r"\s*<script>kernelName = .*?</script>", ""),
    # pydata-sphinx-theme and myst-nb: an aria-label that hides the visible text from screen
    # readers and voice control (axe: label-content-name-mismatch).
    (r'(<button class="btn search-button-field[^>]*?) aria-label="Search"', r"\1"),
    (r'<summary aria-label="Toggle hidden content">', "<summary>"),
    # sphinx-book-theme: the sidebar's arrows have no name (axe: summary-name).
    (
        r'<summary>(?=<span class="toctree-toggle")',
        '<summary aria-label="Show or hide the pages below">',
    ),
    # Sphinx: the arguments of a long signature are a list of descriptions without terms (axe:
    # definition-list).
    (r"<dd>(<em class=\"sig-param\">.*?)</dd>", r'<span class="rl-argument">\1</span>'),
    (r'<dl>\s*(?=<span class="rl-argument">)|(?<=</em>,</span>)\s*</dl>', ""),
    # docutils: children of role="list" whose role ARIA has withdrawn (axe: aria-required-children).
    (r' role="doc-biblioentry"', ' role="listitem"'),
    # sphinx-proof: a proof has no title, so one with class dropdown stops togglebutton's script.
    (
        r'(<div class="proof dropdown admonition"[^>]*>\s*)<p>Proof\. ',
        r'\1<p class="admonition-title">Proof</p>\n<p>',
    ),
    # robustlib: a verdict leads to the box that says how to read it.
    (
        r"(<div class='rl-verdict'.*?</code>)(?! <a)",
        r"\1 <a class='rl-how' href='01-robust-loss.html#how-to-read-a-verdict'>what is this?</a>",
    ),
    # browsers break a line between a formula and the mark that touches it.
    (
        r'(?<!<span class="rl-join">)([(“]*<span class="math [^>]*>[^<]*</span>[^\s<]+)',
        r'<span class="rl-join">\1</span>',
    ),
]


def mend(page: str) -> str:
    for pattern, replacement in REPAIRS:
        page = re.sub(pattern, replacement, page, flags=re.DOTALL)
    # sphinx-proof: all proofs of a page have one id, so that a click unfolds the first of them;
    # sphinx-exercise: so have all exercises, and all solutions.
    number = itertools.count(1)
    same = r'id="(proof|(?:exercise|solution)-content)"'
    return re.sub(same, lambda match: f'id="{match[1]}-{next(number)}"', page)


@functools.cache
def palette() -> dict[str, str]:
    """The colours of light figures, and the names that the style sheet has for them."""
    css = (Path(__file__).parents[1] / "_static" / "robustlib.css").read_text(encoding="utf-8")
    (light,) = re.findall(r"\.rl-figure \{([^}]*--rl-ground:[^}]*)\}", css)[:1]
    colours = {
        colour: f"var(--rl-{name})" for name, colour in re.findall(r"--rl-(\w+): (\S+);", light)
    }
    faint = "color-mix(in srgb, currentColor 8%, transparent)"  # the walls of a drawing in space
    return (
        colours
        | {"#000000": "currentColor", "background:#fff;": ""}
        | dict.fromkeys(("#808080", "#b0b0b0"), "var(--rl-grey)")
        | dict.fromkeys(("#e6e6e6", "#ececec", "#f2f2f2"), faint)
    )


def inline_figures(page: str, folder: Path) -> str:
    """Figures that cells stored as SVG, drawn into the page, so that they have its colours."""

    def inline(match: re.Match[str]) -> str:
        svg = (folder / match["file"]).read_text(encoding="utf-8").strip()
        for colour, name in palette().items():
            svg = svg.replace(colour, name)
        svg = svg.replace("<svg", f'<svg role="img" aria-label="{match["alt"]}"', 1)
        return f'<div class="rl-figure">{svg}</div>'

    picture = r'<img alt="(?P<alt>[^"]*)" src="(?P<file>(?:\.\./)?_images/[0-9a-f]{64}\.svg)" ?/>'
    return re.sub(picture, inline, page)


def copy_mathjax(site: Path) -> None:
    source = Path(mathjax.__file__).parent / "static" / "mathjax" / "es5"
    target = site / "_static" / "mathjax"
    for part in MATHJAX_PARTS:
        if (target / part).exists():
            continue
        (target / part).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (source / part).is_dir() else shutil.copyfile
        copy(source / part, target / part)


def finish(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    site = Path(app.outdir)
    copy_mathjax(site)
    for path in site.rglob("*.html"):
        if "_static" in path.relative_to(site).parts:
            continue
        before = path.read_text(encoding="utf-8")
        after = inline_figures(mend(before), path.parent)
        if after != before:
            path.write_text(after, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
