"""Numbered statements that no claim checks, each with the reason."""

UNCHECKED: dict[str, str] = {}
