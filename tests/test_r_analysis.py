"""The page of analyses: its blocks of R run as they stand."""

import re

import r_program
from r_program import ROOT

PAGE = (ROOT / "docs" / "analysis.md").read_text(encoding="utf-8")


def test_the_blocks_of_r_run_one_after_the_other():
    blocks = re.findall(r"^```r\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    printed = r_program.run("\n".join(blocks))
    first, low = printed.index("tier x treatment"), printed.index("\n  Low ", printed.index("2. Within tiers"))
    assert first < low
    assert "Research use only" in printed and "730" in printed[low:]
