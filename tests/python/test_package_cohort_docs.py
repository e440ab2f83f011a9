"""The page on cohorts begins with a block that runs as it stands, and names every column and code."""

import re

import pytest

from deeptepp._plan import AFTER, BEFORE
from test_package_docs import NAMES, ROOT, blocks, lay, run

PAGE = (ROOT / "docs" / "cohorts.md").read_text(encoding="utf-8")


def test_the_page_begins_with_a_block_that_runs(tiny_case, tmp_path, expected):
    assert PAGE.split("\n\n", 1)[1].startswith("```python")
    lay(tmp_path / "build" / "quickstart", NAMES, tiny_case)
    printed = run(blocks(PAGE)[0], tmp_path).splitlines()
    assert printed == [f"sub-1 ok {expected['score']} {expected['tier']['name']} None",
                       "sub-2 error None None FILE_MISSING"]


@pytest.mark.parametrize("name", [*BEFORE, *AFTER])
def test_the_page_names_every_column(name):
    assert re.search(rf"`{name}`", PAGE)
