"""An exercise's title beside its number: "Exercise 6.4 A lucky round (easy, 15 minutes)".

sphinx-exercise puts it in parentheses; here it has some of its own.
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx_exercise.nodes import is_exercise_node
from sphinx_exercise.post_transforms import ResolveTitlesInExercises


class TitlesWithoutParentheses(SphinxPostTransform):
    default_priority = ResolveTitlesInExercises.default_priority + 1

    def run(self, **_: object) -> None:
        for exercise in self.document.findall(is_exercise_node):
            title = exercise[0]
            if len(title) and title[0].astext() == " (":
                title[0] = nodes.Text(" ")
                del title[-1]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_post_transform(TitlesWithoutParentheses)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
