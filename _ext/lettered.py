"""The main theorems carry letters; all other statements keep the numbers of their chapter.

``main_theorems`` of ``_config.yml`` says which label is which letter. Boxes, references and the
ledger read their numbers from Sphinx's one table, so they agree once the letters stand in it.
"""

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


def put_letters(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Letters for the main theorems, and no gap in the numbers of the other theorems."""
    letters = {label: letter for letter, label in app.config.main_theorems.items()}
    for kinds in env.toc_fignumbers.values():
        numbers = kinds.get("theorem", {})
        others = [label for label in numbers if label not in letters]
        free = sorted(numbers[label] for label in numbers)
        numbers |= dict(zip(others, free, strict=False))
        numbers |= {label: (letters[label],) for label in numbers if label in letters}
    return []


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("main_theorems", {}, "env")
    # after Sphinx has numbered everything, which it does on the same event
    app.connect("env-get-updated", put_letters, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
