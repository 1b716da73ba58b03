#!/usr/bin/env bash
# What: papermill hands the tuple (0.1, 0.2) to a notebook as the text "(0.1, 0.2)", without a word, and
#   a dictionary with keys 1 and 2 with keys "1" and "2"; a list arrives as a list. A loop over the
#   radii of a sweep then runs over ten characters; a numpy integer raises, as one would expect.
# Why: the parameters become source code by a table of types, in which a tuple is missing; what is
#   missing is written as quoted text. Keys of dictionaries are always quoted.
# Source: papermill/translators.py, Translator.translate and PythonTranslator.translate_dict.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install -qq --no-compile papermill==2.7.0 ipykernel==7.4.0 nbformat==5.11.1
env/bin/python -W ignore - 2>errors.txt <<'PY' || { cat errors.txt; exit 1; }
from importlib.metadata import version

import nbformat
import papermill

print("papermill", version("papermill"))
print("expected: a tuple arrives as a tuple, or else as a list, and keys as they were")
kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
first = nbformat.v4.new_code_cell("v = None", metadata={"tags": ["parameters"]})
cells = [first, nbformat.v4.new_code_cell("print(type(v).__name__, repr(v), len(v))")]
nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), "show.ipynb")
seen = []
for value in ([0.1, 0.2], (0.1, 0.2), {1: 0.1, 2: 0.2}):
    done = papermill.execute_notebook(
        "show.ipynb", "done.ipynb", parameters={"v": value}, progress_bar=False
    )
    seen.append(done.cells[-1].outputs[0].text.strip())
    print("seen:", value, "arrives as", seen[-1])
assert seen == ["list [0.1, 0.2] 2", "str '(0.1, 0.2)' 10", "dict {'1': 0.1, '2': 0.2} 2"]
PY
echo "as described"
