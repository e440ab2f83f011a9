"""What a score is worth, and what a cohort says of treatment by tier.

RESEARCH USE ONLY. Not a medical device.
"""

from ._concordance import Concordance, concordance

__all__ = ["Concordance", "concordance"]

for _public in (Concordance, concordance):
    _public.__module__ = __name__
del _public
