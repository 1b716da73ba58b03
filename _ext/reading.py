"""How long a chapter takes, counted from its words.

The role ``{minutes}`` puts the time of a chapter, or of a sum of chapters, into any page.
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

# Words a minute: prose with its formulas, and proofs. A line of code is skimmed in three seconds,
# a picture looked at for a minute.
PROSE, PROOF, LINES, PICTURE = 100, 30, 20, 1
WORDS_OF_A_FORMULA = 8


class minutes(nodes.Inline, nodes.TextElement):
    """Stands for a time until all pages have been read."""


def inside(node: nodes.Node, name: str) -> bool:
    while node is not None:
        if name in getattr(node, "get", lambda *_: [])("classes", []):
            return True
        node = node.parent
    return False


def count(doctree: nodes.document) -> tuple[float, float]:
    """Minutes for what stands open, and for the proofs; exercises and solutions are left out."""
    open_, folded = 0.0, 0.0
    for node in doctree.findall(
        lambda n: isinstance(n, nodes.Text | nodes.math_block | nodes.literal_block | nodes.image)
    ):
        if inside(node, "exercise") or inside(node, "solution"):
            continue
        if isinstance(node, nodes.image):
            open_ += PICTURE
            continue
        if isinstance(node, nodes.literal_block):
            hidden = inside(node, "cell_output") or any(
                "hide" in c for c in getattr(node.parent.parent, "get", dict)("classes", [])
            )
            open_ += 0 if hidden else node.astext().count("\n") / LINES
            continue
        if isinstance(node, nodes.Text) and isinstance(
            node.parent, nodes.literal_block | nodes.math_block | nodes.raw
        ):
            continue
        formula = isinstance(node, nodes.math_block)
        words = WORDS_OF_A_FORMULA if formula else len(node.astext().split())
        if isinstance(node.parent, nodes.math):
            words = 1
        if inside(node, "proof") and inside(node, "dropdown"):
            folded += words / PROOF
        else:
            open_ += words / PROSE
    return open_, folded


def rounded(time: float) -> int:
    """To five minutes, and never none."""
    return max(5, 5 * round(time / 5))


def read(app: Sphinx, doctree: nodes.document) -> None:
    env = app.env
    times = getattr(env, "reading_times", {})
    times[env.docname] = count(doctree)
    env.reading_times = times


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    getattr(env, "reading_times", {}).pop(docname, None)


def chapters(env: BuildEnvironment) -> list[str]:
    names = (name.rpartition("/")[2] for name in env.reading_times)
    return [f"chapters/{name}" for name in sorted(names) if name[:2].isdigit()]


def minutes_of(env: BuildEnvironment, name: str) -> int:
    """As they are shown, so that the sum of what a reader sees is what a reader sees."""
    return sum(rounded(time) for time in env.reading_times[name] if time > 1)


def in_words(env: BuildEnvironment, what: str) -> str:
    """``07-convergence``: its minutes; ``course``: hours for all numbered chapters."""
    if what == "course":
        total = sum(minutes_of(env, name) for name in chapters(env) if "/00" not in name)
        return f"{round(total / 60)} hours"
    return f"{minutes_of(env, f'chapters/{what}')}"


def resolve(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    env = app.env
    for node in doctree.findall(minutes):
        node.replace_self(nodes.Text(in_words(env, node["what"])))
    heading = next(doctree.findall(nodes.title), None)
    if docname not in chapters(env) or heading is None:  # a part of a page, for an edition
        return
    open_, folded = env.reading_times[docname]
    text = f"About {rounded(open_)} minutes to read"
    if folded > 1:
        text += f", and {rounded(folded)} more for the proofs"
    tasks = [n for n in doctree.findall(nodes.Element) if "exercise" in n.get("classes", [])]
    text += f"; {len(tasks)} exercises." if tasks else "."
    line = nodes.paragraph("", "", nodes.emphasis("", text), classes=["rl-minutes"])
    heading.parent.insert(heading.parent.index(heading) + 1, line)


def minutes_role(name, rawtext, text, lineno, inliner, options=None, content=()):
    return [minutes("", what=text)], []


def refresh(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """These pages show the times of all others, so they are written whenever one was read."""
    return ["index", "chapters/teaching"]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_node(minutes)
    app.add_role("minutes", minutes_role)
    app.connect("doctree-read", read)
    app.connect("env-purge-doc", purge)
    app.connect("env-get-updated", refresh)
    app.connect("doctree-resolved", resolve)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
