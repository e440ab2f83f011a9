"""Analyses in R: the page's blocks run as they stand, and the reporting items are those of Python."""

import re

from deeptepp.survival._checklists import CHECKLISTS

import r_program
from r_program import ROOT

PAGE = (ROOT / "docs" / "analysis.md").read_text(encoding="utf-8")


def test_the_blocks_of_r_run_one_after_the_other():
    blocks = re.findall(r"^```r\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    printed = r_program.run("\n".join(blocks))
    first, low = printed.index("tier x treatment"), printed.index("\n  Low ", printed.index("2. Within tiers"))
    assert first < low
    assert "Research use only" in printed and "730" in printed[low:]


def test_the_reporting_items_are_those_of_python():
    script = "library(deeptepp); for (items in deeptepp:::CHECKLISTS) cat(t(items), sep = '\\n')"
    found = r_program.run(script).split("\n")[:-1]
    assert found == [cell for items in CHECKLISTS.values() for item in items for cell in item]
