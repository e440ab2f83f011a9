"""What a score is worth, and what a cohort says of treatment by tier.

    cuts = Cuts.from_quantiles("model.out-of-fold.tsv")
    found = analyse(table, horizon=5, cuts=cuts, unit="years")
    print(found)
    found.to_html("analysis.html")

RESEARCH USE ONLY. Not a medical device.
"""

from ._analysis import Analysis, analyse
from ._calibration import Calibration, calibrate
from ._concordance import Concordance, concordance
from ._cuts import Cuts
from ._performance import Performance, performance, to_sksurv

__all__ = ["Analysis", "Calibration", "Concordance", "Cuts", "Performance", "analyse", "calibrate", "concordance",
           "performance", "to_sksurv"]

for _public in (Analysis, Calibration, Concordance, Cuts, Performance, analyse, calibrate, concordance, performance,
                to_sksurv):
    _public.__module__ = __name__
del _public
