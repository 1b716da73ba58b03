"""The commands of ``python -m robustlib``, one module each."""
