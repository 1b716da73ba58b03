"""Where the book, its repository and its notebooks on Colab are published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

BRANCH = "colab"
STUDENTS = "students"  # the folder that stands beside ``chapters`` on the branch


@dataclass(frozen=True)
class Addresses:
    """``repository`` on GitHub; ``site`` ends with a slash."""

    repository: str
    site: str

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Addresses:
        """From what _config.yml says; without ``html.baseurl`` the site is on GitHub Pages."""
        repository = str(config["repository"]["url"]).rstrip("/")
        owner, name = urlsplit(repository).path.strip("/").split("/")
        site = config["html"].get("baseurl") or f"https://{owner}.github.io/{name}"
        return cls(repository, site.rstrip("/") + "/")

    def page(self, docname: str) -> str:
        return f"{self.site}{docname}.html"

    def colab(self, path: str) -> str:
        """Opens a notebook of the branch in Colab."""
        path = f"{urlsplit(self.repository).path}/blob/{BRANCH}/{path}"
        return f"https://colab.research.google.com/github{path}"
