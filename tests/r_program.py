"""Running R with the package, and what its scores are compared with."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "bindings" / "R"


def environment(**more):
    """Of a program that finds the installed package."""
    library = os.environ.get("DEEPTEPP_R_LIBRARY")
    if not library:
        pytest.fail("DEEPTEPP_R_LIBRARY is not set: wanted the R library that holds the package", pytrace=False)
    return {**os.environ, "R_LIBS": library, **more}


def run(script, *arguments, cwd=None, **more):
    """Runs the text of an R script, with more in its environment; what it prints."""
    done = subprocess.run(["Rscript", "--vanilla", "-e", script, *map(str, arguments)], cwd=cwd, capture_output=True,
                          text=True, env=environment(**more))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def by_command_line(model, image, mask):
    """The JSON's object."""
    done = subprocess.run([os.environ["DEEPTEPP_CLI"], "score", "--json", "--model", model, "--image", image, "--mask",
                           mask], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
