# What every run of tests, notebooks and claims sets, in one place: make includes this file,
# tests/environment.py reads it.
# One thread a process, because the tests share the cores; each library reads its own variable
# first. One budget, because stored numbers belong to it.
OMP_NUM_THREADS := 1
MKL_NUM_THREADS := 1
OPENBLAS_NUM_THREADS := 1
ROBUSTLIB_BUDGET := laptop
