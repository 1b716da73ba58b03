"""Numbered statements that no claim checks, each with the reason."""

UNCHECKED: dict[str, str] = {
    "lem-uniform-stability": (
        "quoted for Theorem A, not proved here, and its constants are not given; what can be "
        "proved at one input is thm-deep-stability, whose claim stands beside it"
    ),
}
