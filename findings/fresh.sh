# Sourced by each finding: `fresh PACKAGE==VERSION ...` makes a temporary folder with an environment
# of its own, which holds these packages alone, goes there, and removes it in the end.
# PYTHON names the interpreter (3.11 to 3.13), PIP_ARGS more arguments of pip, say a CPU index.
set -euo pipefail

fresh() {
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  cd "$folder"
  "${PYTHON:-python3}" -m venv env
  # shellcheck disable=SC2086
  env/bin/pip install -q --disable-pip-version-check ${PIP_ARGS:-} "$@"
  export PATH="$folder/env/bin:$PATH" OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 PYTHONPATH=
}
