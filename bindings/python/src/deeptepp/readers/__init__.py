"""Cohort tables from the layouts in which public data sets of breast MR are downloaded.

    table = read_mama_mia("MAMA-MIA", phases={"pre": 0, "early": "120s"})
    print(table.counts("purpose", "dataset", "reason"))
    table.write("cohort.tsv")

Files are found by name and never opened; all decisions about a patient stand in `table.exclusions`.
"""

from ._table import CohortTable, Exclusion
from .bids import read_bids
from .duke import read_duke_sheet
from .mama_mia import read_mama_mia

__all__ = ["CohortTable", "Exclusion", "read_bids", "read_duke_sheet", "read_mama_mia"]
