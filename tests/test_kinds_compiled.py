"""The tests of ``test_kinds.py`` on a compiled module, in a file of its own: compiling is slow."""

from __future__ import annotations

from pathlib import Path

import pytest
import test_kinds as tests
import test_kinds_trained as trained
from kinds import made

from robustlib.models import departure

# torch's compiler looks at .grad of every input, with the warning that belongs to it put aside
pytestmark = [
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf"),
    pytest.mark.filterwarnings("ignore:Guards may run slower on Python 3.13.0"),
]


def test_attacks_and_bounds() -> None:
    tests.test_every_attack("compiled")
    tests.test_the_attacks_with_a_proof("compiled")
    tests.test_output_bounds("compiled")
    trained.test_robust_loss("compiled")


def test_kernel_and_training(tmp_path: Path) -> None:
    trained.test_kernel("compiled")
    trained.test_training_with_a_checkpoint("compiled", tmp_path)


def test_a_module_compiled_in_place_is_not_taken_at_its_word() -> None:
    model = made("two-layer")
    model.compile(backend="eager")
    assert departure(model) == "TwoLayerNet with a compiled forward"
