"""The executable half of a course on adversarial training in overparametrized networks."""
