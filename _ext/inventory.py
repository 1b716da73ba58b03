"""What the site runs and by whom: ``_static/sbom.cdx.json``, and the licences of what is copied.

A list of components in the CycloneDX format, one for each package whose scripts lie in the site,
with version, licence and the SHA-256 of every file. A script of unknown origin stops the build.
"""

import hashlib
import json
import re
import shutil
from importlib.metadata import version
from pathlib import Path

import mathjax
from sphinx.application import Sphinx

# Scripts (a pattern of their place below _static), whose they are, what brings them, licence.
ORIGINS = [
    (r"mathjax/.*", "MathJax", "django-static-mathjax", "Apache-2.0"),
    (r"scripts/bootstrap\.js", "Bootstrap", "pydata-sphinx-theme", "MIT"),
    (r"scripts/fontawesome\.js", "Font Awesome Free", "pydata-sphinx-theme", "MIT AND CC-BY-4.0"),
    (r"scripts/pydata-.*", "pydata-sphinx-theme", "pydata-sphinx-theme", "BSD-3-Clause"),
    (r"scripts/sphinx-book-.*", "sphinx-book-theme", "sphinx-book-theme", "BSD-3-Clause"),
    (r"clipboard\.min\.js", "clipboard.js", "sphinx-copybutton", "MIT"),
    (r"copybutton(_funcs)?\.js", "sphinx-copybutton", "sphinx-copybutton", "MIT"),
    (r"design-tabs\.js", "sphinx-design", "sphinx-design", "MIT"),
    (r"sphinx-thebe\.js", "sphinx-thebe", "sphinx-thebe", "MIT"),
    (r"togglebutton\.js", "sphinx-togglebutton", "sphinx-togglebutton", "MIT"),
    (
        r"(doctools|documentation_options|language_data|searchtools|sphinx_highlight)\.js",
        "Sphinx",
        "Sphinx",
        "BSD-2-Clause",
    ),
]
# What the scripts of others say of their own version.
_OWN_VERSION = {
    "MathJax": r'VERSION="(3[0-9.]+)"',
    "Bootstrap": r"Bootstrap v([0-9.]+)",
    "Font Awesome Free": r"Font Awesome Free ([0-9.]+)",
    "clipboard.js": r"clipboard\.js v([0-9.]+)",
}


def components(static: Path, own: set[str]) -> list[dict[str, object]]:
    """The packages whose scripts lie in ``static``; ``own`` are the names of this book's own."""
    files: dict[tuple[str, str, str], list[str]] = {}
    for path in sorted(static.rglob("*.js")):
        name = path.relative_to(static).as_posix()
        if name in own:
            continue
        origin = next((rest for pattern, *rest in ORIGINS if re.fullmatch(pattern, name)), None)
        if origin is None:
            raise ValueError(f"{name} in the site is of unknown origin; name it in inventory.py")
        files.setdefault(tuple(origin), []).append(name)
    return [
        {
            "type": "library",
            "name": name,
            "version": _version(name, package, [static / f for f in scripts]),
            "licenses": [{"expression": licence}],
            "properties": [{"name": "brought by", "value": f"{package} {version(package)}"}],
            "components": [
                {
                    "type": "file",
                    "name": f,
                    "hashes": [{"alg": "SHA-256", "content": _digest(static / f)}],
                }
                for f in scripts
            ],
        }
        for (name, package, licence), scripts in sorted(files.items())
    ]


def _version(name: str, package: str, scripts: list[Path]) -> str:
    if name not in _OWN_VERSION:
        return version(package)
    notices = [p.with_name(p.name + ".LICENSE.txt") for p in scripts]
    for path in [*notices, *scripts]:
        if path.exists() and (found := re.search(_OWN_VERSION[name], path.read_text("utf-8"))):
            return found[1]
    raise ValueError(f"{name} does not say its version in any of {[p.name for p in scripts]}")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def finish(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    shutil.copyfile(
        Path(mathjax.__file__).parent / "static" / "mathjax" / "LICENSE",
        static / "mathjax" / "LICENSE",
    )
    source = Path(app.srcdir) / "_static"
    own = {p.relative_to(source).as_posix() for p in source.rglob("*.js")}
    text = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": app.config.project}},
        "components": components(static, own),
    }
    (static / "sbom.cdx.json").write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    # after selfcontained.py, which copies MathJax
    app.connect("build-finished", finish, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
