#!/usr/bin/env bash
# What: `pytest --nbval`, the strict mode, compares a cell with its stored output only if the cell
#   has a stored execution count. A cell that was added, or cleared, and never run passes whatever it
#   prints; an error is still an error, unless the cell is tagged as one that raises.
# Why it matters here: a notebook whose outputs were cleared by accident is green in the very test
#   that guards its outputs. A test of ours asks for counts 1, 2, 3 and so on.
# Source: nbval, `IPyNbCell.runtest`: "unrun" cells; its documentation does not say so.
. "$(dirname "$0")/fresh.sh"
fresh nbval==0.11.0 nbformat==5.11.1 ipykernel==7.4.0 pytest==9.2.0
cat > write.py <<'PY'
import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output

spec = {"kernelspec": {"name": "python3", "display_name": "python3", "language": "python"}}
unrun = [new_code_cell("print(1 + 1)"), new_code_cell("6 * 7")]
empty = [new_code_cell("print(1 + 1)", execution_count=1, outputs=[])]
for name, cells in {"unrun": unrun, "empty": empty}.items():
    nbformat.write(new_notebook(cells=cells, metadata=spec), f"{name}.ipynb")
PY
python write.py
pip list --disable-pip-version-check 2>/dev/null | grep -E '^(nbval|nbformat) '
echo "expectation: cells that print, with no output stored, fail in strict mode"
for name in unrun empty; do
  code=0
  python -m pytest -q --nbval --nbval-current-env -p no:cacheprovider "$name.ipynb" >"$name.log" 2>&1 || code=$?
  echo "seen: $name.ipynb: exit code $code, $(tail -n 1 "$name.log")"
  echo "$code" >"$name.code"
done
[ "$(cat unrun.code)" = 0 ] && [ "$(cat empty.code)" = 1 ]
echo "as described"
