"""The page on analyses: its Python runs as it stands and names every option, argument and public name."""

import inspect
import re

import pytest

import deeptepp.survival
from deeptepp import _freeze_command
from test_package_docs import ROOT, blocks, run

PAGE = (ROOT / "docs" / "analysis.md").read_text(encoding="utf-8")


def test_the_block_runs_as_it_stands(tmp_path):
    printed = run(blocks(PAGE)[0], tmp_path)
    assert printed.index("tier x treatment") < printed.index("2. Within tiers") < printed.index("Harrell's C")
    assert "400 made-up patients" in " ".join(printed.split()) and "<html" in (tmp_path / "analysis.html").read_text()


@pytest.mark.parametrize("option", [option for action in _freeze_command._parser()._actions
                                    for option in action.option_strings if option.startswith("--")])
def test_the_page_names_every_option_of_freeze(option):
    assert option == "--help" or re.search(rf"{option}[ `,]", PAGE)


def test_the_page_names_every_argument_and_function():
    names = {name for call in (deeptepp.survival.analyse, deeptepp.survival.performance, deeptepp.survival.calibrate,
                               deeptepp.survival.Analysis.to_html) for name in inspect.signature(call).parameters}
    told = {"self", "df", "table", "path", "cuts", "thresholds", "cohort", "source", "model_sha256"}  # in the help
    for name in (names - told) | {name for name in deeptepp.survival.__all__ if name[0].islower()}:
        assert re.search(rf"\b{name}\b", PAGE), name
