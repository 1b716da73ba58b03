"""Many runs as one table: settings in, results out, on all cores or on a cluster.

The engines are joblib's and Dask's; here are the table of settings, the store that remembers what
is finished, and the process in which a run stands alone.
"""

from .settings import grid as grid
from .store import Sweep as Sweep
from .sweep import sweep as sweep
