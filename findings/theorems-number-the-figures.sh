#!/usr/bin/env bash
# What: who adds sphinx-proof or sphinx-exercise to a Sphinx project finds all figures numbered,
#   "Fig. 1", also in documents without a theorem, and even where conf.py says numfig = False.
# Why: theorems are numbered by the machinery of figures, so each of the two extensions writes
#   numfig = True into the configuration after conf.py was read.
# Source: init_numfig in sphinx_proof/__init__.py and sphinx_exercise/__init__.py, on config-inited.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install -qq --no-compile sphinx==7.4.7 sphinx-proof==0.4.0 sphinx-exercise==1.2.1
env/bin/pip list 2>/dev/null | grep -iE '^sphinx(-proof|-exercise)? ' | tr -s ' \n' ' '
echo
echo "expected: numfig = False in conf.py means captions without a number"
mkdir source
printf 'Title\n=====\n\n.. figure:: line.svg\n\n   A caption\n' >source/index.rst
printf '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>' >source/line.svg
seen=""
for extension in "" sphinx_proof sphinx_exercise; do
  printf 'extensions = "%s".split()\nnumfig = False\n' "$extension" >source/conf.py
  env/bin/python -W ignore -m sphinx -q -E -b html source "out$extension" 2>errors.txt
  caption=$(grep -o 'caption-text.*A caption' "out$extension/index.html" | sed 's/<[^>]*>/ /g' | tr -s ' ')
  number=$(grep -o 'caption-number">[^<]*' "out$extension/index.html" || true)
  echo "seen: extensions = [$extension]: caption reads ${number#*>}${caption#*>}"
  seen="$seen[${number#*>}]"
done
[ "$seen" = "[][Fig. 1 ][Fig. 1 ]" ]
echo "as described"
