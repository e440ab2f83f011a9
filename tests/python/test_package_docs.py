"""The pages' first blocks run as they stand, and name every keyword there is."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import deeptepp

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
NAMES = ("demonstration.safetensors", "phantom.nii.gz", "phantom-mask.nii.gz")  # as the quick start calls them


def blocks(text, language="python"):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def lay(folder, names, case):
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in zip(names, case):
        (folder / name).symlink_to(path)


def run(block, folder):
    done = subprocess.run([sys.executable, "-W", "error", "-c", block], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_page_begins_with_a_block_that_runs(tiny_case, tmp_path, expected):
    assert PAGE.split("\n\n", 2)[1].startswith("```python")
    lay(tmp_path / "build" / "quickstart", NAMES, tiny_case)
    printed = run(blocks(PAGE)[0], tmp_path)
    assert f"score {expected['score']:.6f}, tier {expected['tier']['index']} ({expected['tier']['name']})" in printed
    assert "DEEPTEPP_WARN_SEEDED_WEIGHTS" in printed


def test_the_quick_start_makes_what_the_block_reads():
    script = (ROOT / "examples" / "quickstart").read_text()
    assert "out=build/quickstart\n" in script and all(f'"$out/{name}"' in script for name in NAMES)


def test_the_readme_s_block_runs(tiny_case, tmp_path, expected):
    lay(tmp_path, ("model.safetensors", "image.nii.gz", "mask.nii.gz"), tiny_case)
    printed = run(blocks((ROOT / "README.md").read_text(encoding="utf-8"))[0], tmp_path)
    assert printed == f"score {expected['score']:.6f}, tier {expected['tier']['index']}\n"


def test_the_other_blocks_are_python_at_least():
    for block in blocks(PAGE):
        compile(block, "docs/python.md", "exec")


def test_every_keyword_and_attribute_is_on_the_page():
    names = {name for call in (deeptepp.open_model, deeptepp.Model.score) for name, p in
             inspect.signature(call).parameters.items() if p.kind is p.KEYWORD_ONLY}
    names |= set(deeptepp.Score.__dataclass_fields__)
    names |= {name for name in vars(deeptepp.Model) if not name.startswith("_")} - {"path", "threads"}
    assert not [name for name in names if not re.search(rf"\b{name}\b", PAGE)]
    groups = [c.__name__ for c in deeptepp.DeepteppError.__subclasses__()]
    assert not [name for name in groups if name not in PAGE]
