"""What a search engine and a shared link show of a page: title, description, picture."""

import re

from editions import addresses_of
from sphinx.application import Sphinx

DESCRIPTION = (
    "A course that runs: why adversarial training of wide networks converges whatever the attack, "
    "when a robust network exists and what it costs, after Gao et al. (NeurIPS 2019). Theorems "
    "with proofs, checks that could fail, and a PyTorch library."
)


def shared(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """What a search engine and a shared link show of a page."""
    site = addresses_of(app.config).site
    title = re.sub("<[^>]*>", "", context.get("title") or app.config.html_title)
    tags = {
        "description": DESCRIPTION,
        "og:type": "book" if page == "index" else "article",
        "og:title": title,
        "og:site_name": app.config.html_title,
        "og:description": DESCRIPTION,
        "og:url": f"{site}{page}.html",
        "og:image": f"{site}_static/preview.png",
    }
    context["metatags"] = context.get("metatags", "") + "".join(
        f'<meta {"property" if key.startswith("og:") else "name"}="{key}" content="{value}" />\n'
        for key, value in tags.items()
    )


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", shared)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
