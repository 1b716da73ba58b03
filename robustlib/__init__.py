"""The executable half of a course on adversarial training in overparametrized networks.

Shapes throughout: points x are (n, d), labels y are (n,) in {-1, +1}, outputs of models are (n,).
"""

import lazy_loader

# A name is imported when it is first asked for: who attacks needs no kernel, and pays for none.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
