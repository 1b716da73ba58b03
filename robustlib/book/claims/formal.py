"""Which numbered statements Coq has checked: the file of proofs/, and how far it reaches."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Formal:
    """A statement in Coq: its file, what it assumes, and what of the printed one it leaves out."""

    file: str
    assumed: str
    left_out: str


SUPREMUM = "The robust loss is a mean of suprema, so that no maximum need exist."
ANY_SPACE = "Inputs and weights live in any real inner product spaces, of whatever dimension."
POINTS = "Of the attack only the points that it found are mentioned."
GRADIENT = "A gradient is known by its inner products: along every line it is the derivative."
SIGNS = "The output weights are one or minus one, and the rows of the start are arbitrary."
NEAREST = (
    "A projection is any nearest point, so that closedness, "
    "which is there to make one exist, is not asked."
)
NOTHING = "Nothing is left out."

FORMAL: dict[str, Formal] = {
    "prop-symmetric": Formal(
        "prop_symmetric.v",
        "Any activation, any rows, any number of pairs.",
        "Only the first sentence is formal: mean and variance without twins, "
        "which are about random weights, are not.",
    ),
    "lem-curvature": Formal(
        "lem_curvature.v",
        f"{SIGNS} The first line of the conclusion, that the formula is the gradient, is proved.",
        "That the last two bounds are attained by a single unit is not formal.",
    ),
    "prop-movement": Formal("prop_movement.v", f"{SIGNS} {POINTS} {GRADIENT}", NOTHING),
    "thm-linearisation": Formal(
        "thm_linearisation.v",
        f"{SIGNS} {POINTS} {GRADIENT}",
        "That the maximal distance is at most $C_0\\Lambda$ stands in {prf:ref}`prop-movement`; "
        "here $D$ is any bound of the distances.",
    ),
    "thm-drift-symmetric": Formal("thm_drift_symmetric.v", f"{SIGNS} {POINTS} {GRADIENT}", NOTHING),
    "thm-ogd": Formal("thm_ogd.v", f"{ANY_SPACE} {NEAREST} {GRADIENT}", NOTHING),
    "lem-frozen": Formal(
        "lem_frozen.v",
        f"Inputs and weights are of any type, and all points are arbitrary. {SUPREMUM}",
        "The equality is a definition, here as in the text, and has no line of its own.",
    ),
    "cor-any-attack": Formal(
        "cor_any_attack.v",
        f"{POINTS} {SUPREMUM} {NEAREST}",
        "The comparator is any point of the ball; that a best one exists is not claimed.",
    ),
    "thm-fast-rate": Formal("thm_fast_rate.v", f"{POINTS} {SUPREMUM} {NEAREST}", NOTHING),
    "prop-slow-training": Formal(
        "prop_slow_training.v",
        f"The exact attack may choose any of the worst points. {GRADIENT}",
        "That $L=G=1$, so that the excess is $RLG/\\sqrt T$, is left to the reader.",
    ),
    "prop-last-round": Formal(
        "prop_last_round.v",
        "In the kink of the hinge loss the step may follow any subgradient.",
        NOTHING,
    ),
    "thm-projected": Formal(
        "thm_projected.v",
        f"Inputs are of any type. {POINTS} {SUPREMUM} {NEAREST}",
        "Where the loss has a kink in the weights, as for ReLU networks, "
        "there is no gradient in this sense, and the formal statement says nothing.",
    ),
    "thm-two-layer": Formal(
        "thm_two_layer.v",
        f"{SIGNS} {POINTS} {SUPREMUM} {GRADIENT} "
        "That the hypotheses can be met is shown in `Example.v`, for $64$ units.",
        "Nothing is left out; that a random start has good weights $W_*$ nearby "
        "is no part of the theorem.",
    ),
    "prop-parity": Formal(
        "prop_parity.v",
        "Any width, any weights, in any real inner product space.",
        "The last paragraph, on the space $\\mathcal{H}(K)$ and on eigenvalues, is not formal.",
    ),
    "thm-trap": Formal(
        "thm_trap.v",
        f"Output weights are arbitrary. {SUPREMUM}",
        "That a symmetric start has output zero is {prf:ref}`prop-symmetric`.",
    ),
    "thm-capacity": Formal(
        "thm_capacity.v",
        "The class is any set of functions with two values.",
        NOTHING,
    ),
    "prop-pairs": Formal(
        "prop_pairs.v",
        "Centres are any points of the space; that regular simplices attain the bounds "
        "asks for a dimension that holds them.",
        NOTHING,
    ),
    "prop-maximum-norm": Formal(
        "prop_maximum_norm.v",
        "The class is any set of functions with two values. "
        "In part 2 nothing is asked of the distance of the two centres.",
        NOTHING,
    ),
    "prop-line": Formal(
        "prop_line.v",
        "The points are numbered in order, and neighbours may have equal labels.",
        NOTHING,
    ),
    "prop-zigzag": Formal("prop_zigzag.v", "Networks have any biases and output weights.", NOTHING),
}


def machine_checked(label: str) -> str:
    """The cell of the ledger's column: the file, or nothing."""
    return f"`{FORMAL[label].file}`" if label in FORMAL else ""
