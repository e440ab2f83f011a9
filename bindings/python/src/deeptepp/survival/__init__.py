"""What a score is worth, and what a cohort says of treatment by tier.

RESEARCH USE ONLY. Not a medical device.
"""

from ._calibration import Calibration, calibrate
from ._concordance import Concordance, concordance
from ._cuts import Cuts

__all__ = ["Calibration", "Concordance", "Cuts", "calibrate", "concordance"]

for _public in (Calibration, Concordance, Cuts, calibrate, concordance):
    _public.__module__ = __name__
del _public
