"""score, preprocess, info and selftest of the command line program, with models of random weights."""

import json
import re
import signal

import nibabel
import numpy as np
import pytest

from cli_program import (SMALL, answer, copy_of, interrupted, needs_program, phantom, read_affine, read_nifti, refusal,
                         run, write_nifti)
from make_model import make_model

pytestmark = needs_program

TINY = {"depth": 10, "width": 8, "size": 24, "views": 3}
COVARIATES = [{"name": "age", "unit": "years", "range": [18, 100], "coefficient": 0.01, "centre": 50}]
CALIBRATION = {"endpoint": "recurrence-free survival", "unit": "years", "source": "invented", "times": [3, 5],
               "baseline_survival": [0.95, 0.9], "slope": 0.5, "centre": 0.1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def model(folder):
    make_model(folder / "plain.safetensors", **TINY)
    return folder / "plain.safetensors"


@pytest.fixture(scope="module")
def rich_model(folder):
    """Two channels, two members, a covariate, a calibration."""
    overrides = {"covariates": COVARIATES, "calibration": CALIBRATION}
    make_model(folder / "rich.safetensors", **TINY, channels=("pre", "post"), members=2, overrides=overrides)
    return folder / "rich.safetensors"


@pytest.fixture(scope="module")
def case(folder):
    return phantom(folder)


@pytest.fixture(scope="module")
def two_phases(folder):
    files = folder / "t%d.nii.gz", folder / "t.nii.gz"
    answer("phantom", "--seed", 4, *SMALL, "--phases", 2, "--out-image", files[0], "--out-mask", files[1])
    return folder / "t0.nii.gz", folder / "t1.nii.gz", files[1]


def words(command, model, case, *more):
    return (command, "--model", model, "--image", case[0], "--mask", case[1], *more)


def rich_words(model, phases, *more):
    return ("score", "--model", model, "--image", f"pre={phases[0]}", "--image", f"post={phases[1]}", "--mask",
            phases[2], "--covariate", "age=60", *more)


def scored(*arguments):
    return json.loads(answer(*arguments, "--json"))


# ---- score ----


def test_json_is_all_that_goes_to_standard_output(model, case):
    text = answer(*words("score", model, case, "--json"))
    assert text.endswith("}\n")
    assert json.loads(text)["model"]["name"]


def test_the_text_and_the_json_say_the_same(model, case):
    text, result = answer(*words("score", model, case)), scored(*words("score", model, case))
    assert float(re.search(r"^score +(\S+)", text, re.M)[1]) == pytest.approx(result["score"], abs=1e-6)
    assert re.search(r"^tier +(\w+)", text, re.M)[1] == result["tier"]["name"]
    views = [float(part) for part in re.search(r"^views +(.+)$", text, re.M)[1].split()]
    assert views == pytest.approx(result["view_scores"], abs=1e-4)


def labelled(text, label):
    """The line of that label, and those below it that have none."""
    found = re.search(rf"^{label} +(.+(?:\n {{16}}.+)*)", text, re.M)
    return " ".join(found[1].split())


def test_the_spread_over_views_is_called_what_it_is(model, case):
    text, result = answer(*words("score", model, case)), scored(*words("score", model, case))
    spread = f"sd {result['score_sd']:.6f}: spread over 3 rotated views, not an uncertainty of the score"
    assert labelled(text, "score").endswith(spread)


def test_the_nearest_cut_point_is_told_by_its_value(folder, model, case):
    score = scored(*words("score", model, case))["score"]
    other = folder / "other.safetensors"
    for cuts, side in (([score - 9, score + 0.25], "0.250000 below"), ([score - 0.125, score + 9], "0.125000 above"),
                       ([score, score + 9], "equals it and belongs to the lower tier")):
        make_model(other, **TINY, self_test=False, overrides={"tiers.cutpoints": cuts})
        nearest = min(cuts, key=lambda cut: abs(score - cut))
        told = labelled(answer(*words("score", other, case)), "cut-point")
        assert told.startswith(f"{nearest:.6f}") and side in told and "quantiles of a normal distribution" in told


def test_views_are_counted_by_tier(folder, model, case):
    views = sorted(scored(*words("score", model, case))["view_scores"])
    other = folder / "tiered.safetensors"
    for cuts, told in (([views[0], views[1]], "1 low, 1 fair, 1 high"),  # a score on a cut-point is of the lower tier
                       ([views[0] - 1, views[2] + 1], "0 low, 3 fair, 0 high"),
                       ([views[2], 99], "3 low, 0 fair, 0 high")):
        make_model(other, **TINY, self_test=False,
                   overrides={"tiers.cutpoints": cuts, "tiers.names": ["low", "fair", "high"], "tiers.guidance": None})
        assert labelled(answer(*words("score", other, case)), "views in tiers") == told


def test_without_tiers_or_with_one_view_no_views_are_counted(folder, case):
    other = folder / "single.safetensors"
    for change, views in (({"tiers": None}, 3), ({}, 1)):
        make_model(other, **{**TINY, "views": views}, self_test=False, overrides=change)
        text = answer(*words("score", other, case))
        assert "views in tiers" not in text
        assert ("rotated views" in text) == (views > 1)


def test_the_text_says_what_a_reader_must_know(model, case):
    text = answer(*words("score", model, case))
    assert "RESEARCH USE ONLY" in text
    assert re.search(r"^warnings [^\0]*not\s+trained", text, re.M)
    assert re.search(r"^cut-point ", text, re.M) and "guidance" not in text
    assert len(re.findall(r"\b[0-9a-f]{64}\b", text)) == 3
    assert max(len(line) for line in text.splitlines() if "/" not in line) <= 100


def test_members_and_survival_are_told(rich_model, two_phases):
    text, result = answer(*rich_words(rich_model, two_phases)), scored(*rich_words(rich_model, two_phases))
    assert len(result["member_scores"]) == 2
    for score in result["member_scores"]:
        assert f"{score:.4f}" in text
    assert "recurrence-free survival" in text and " 3 years" in text and " 5 years" in text


def test_guidance_comes_with_its_evidence_or_not_at_all(folder, case):
    """Of a model that says it is trained; random weights propose no treatment."""
    trained = folder / "trained.safetensors"
    make_model(trained, **TINY, overrides={"weights": "trained"})
    text = answer(*words("score", trained, case))
    assert re.search(r"^guidance ", text, re.M) and "p = 0." in text and "not prospectively" in " ".join(text.split())
    assert "guidance" not in answer(*words("score", trained, case, "--no-guidance"))
    assert not scored(*words("score", trained, case, "--no-guidance"))["guidance"]


def test_the_number_of_threads_leaves_the_score(model, case):
    scores = [scored(*words("score", model, case, "--threads", n))["score"] for n in (1, 2)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-4, abs=1e-4)


def test_a_covariate_moves_the_score_by_its_coefficient(rich_model, two_phases):
    young, old = (scored(*rich_words(rich_model, two_phases)[:-1], f"age={age}")["score"] for age in (50, 70))
    assert old - young == pytest.approx(0.2, abs=1e-6)


def test_covariates_that_were_used_are_told(folder, case):
    filled = {"name": "grade", "unit": "of 3", "coefficient": 0.5, "range": [1, 3], "missing": 2}
    other = folder / "covariates.safetensors"
    make_model(other, **TINY, self_test=False, overrides={"covariates": [*COVARIATES, filled]})
    told = labelled(answer(*words("score", other, case, "--covariate", "age=60")), "covariates")
    assert told == "age 60 years, adds 0.100000 grade 2 of 3, adds 1.000000 (not given, filled in)"
    assert "not given" not in answer(*words("score", other, case, "--covariate", "age=60", "--covariate", "grade=2"))


def test_without_covariates_none_are_told(model, case):
    assert "covariates" not in answer(*words("score", model, case))


def test_channels_go_by_name_not_by_order(rich_model, two_phases):
    pre, post, mask = two_phases
    scores = []
    for images in ((f"pre={pre}", f"post={post}"), (f"post={post}", f"pre={pre}"), (f"pre={post}", f"post={pre}")):
        given = [part for image in images for part in ("--image", image)]
        scores.append(scored("score", "--model", rich_model, *given, "--mask", mask, "--covariate", "age=60")["score"])
    assert scores[0] == scores[1] != scores[2]


def test_a_volume_of_a_4d_file_is_chosen_by_number(model, two_phases, tmp_path):
    pre, post, mask = two_phases
    volumes = np.stack([read_nifti(pre), read_nifti(post)], axis=3)
    both = write_nifti(tmp_path / "4d.nii", volumes, read_affine(pre))
    for number, single in ((1, pre), (2, post)):
        assert scored(*words("score", model, (f"{both}#{number}", mask)))["score"] == \
            pytest.approx(scored(*words("score", model, (single, mask)))["score"], abs=1e-9)
    text = refusal(2, *words("score", model, (both, mask)))
    assert f"{both}: found 2 volumes" in text and "#N" in text and "volume_number" not in text
    assert f"{both}: found no volume #3, wanted #1 to #2" in refusal(2, *words("score", model, (f"{both}#3", mask)))
    assert f"{pre}: found no volume #2, wanted #1" in refusal(2, *words("score", model, (f"{pre}#2", mask)))


def test_awkward_file_names_can_be_said(model, case, tmp_path):
    odd = tmp_path / "a=b.nii.gz#1"
    odd.write_bytes(case[0].read_bytes())
    assert scored(*words("score", model, (odd, case[1])))["score"] == scored(*words("score", model, case))["score"]


def test_a_file_without_orientation_needs_the_users_word(model, case, tmp_path):
    files = [copy_of(path, tmp_path / f"{n}.nii", code=0) for n, path in enumerate(case)]
    text = refusal(2, *words("score", model, files))
    assert "--orientation" in text and str(files[0]) in text
    result = scored(*words("score", model, files, "--orientation", "RAS"))
    assert any("orientation" in warning["message"] for warning in result["warnings"])


def test_an_orientation_that_is_not_used_gets_a_note(model, case, tmp_path):
    silent = copy_of(case[1], tmp_path / "mask.nii", code=0)
    out = tmp_path / "p.png"
    for command in (words("score", model, case), words("preprocess", model, case, "--out", tmp_path / "x.npy"),
                    ("picture", "--image", case[0], "--mask", case[1], "--out", out)):
        done = run(*command, "--orientation", "LPS")
        assert done.returncode == 0
        assert done.stderr.decode() == "".join(
            f"deeptepp: note: {path} states its own orientation (RAS): --orientation was not used\n" for path in case)
    done = run("picture", "--image", case[0], "--mask", silent, "--out", out, "--orientation", "RAS")
    assert done.stderr.count(b"note") == 1 and str(case[0]) in done.stderr.decode()


def test_a_volume_larger_than_scanners_make_needs_the_users_word(model, tmp_path):
    waves = np.random.default_rng(5).integers(0, 900, (2049, 40, 40)).astype(np.int16)
    tumour = np.zeros(waves.shape, np.uint8)
    tumour[1000:1010, 15:25, 15:25] = 1
    files = [tmp_path / "image.nii.gz", tmp_path / "mask.nii.gz"]
    for path, voxels in zip(files, (waves, tumour)):
        nibabel.Nifti1Image(voxels, np.eye(4)).to_filename(path)
    text = refusal(2, *words("score", model, files))
    assert "2049" in text and "2048" in text and "--any-size" in text and str(files[0]) in text
    assert scored(*words("score", model, files, "--any-size"))["mask"]["voxels"] == 1000
    assert "1000 voxels" in answer("picture", "--image", files[0], "--mask", files[1], "--out", tmp_path / "p.png",
                                   "--any-size")


def test_a_label_is_chosen(model, case, tmp_path):
    rest = read_nifti(case[1]).astype(float)
    rest[2:4, 2:4, 2:4] = 5
    mask = write_nifti(tmp_path / "m.nii", rest, read_affine(case[1]))
    assert "--label" in refusal(2, *words("score", model, (case[0], mask)))
    chosen = scored(*words("score", model, (case[0], mask), "--label", 1))["score"]
    assert chosen == scored(*words("score", model, case))["score"]


def moved(affine):
    return affine + np.array([[0, 0, 0, 5.0], [0] * 4, [0] * 4, [0] * 4])


def test_cases_that_cannot_be_scored_are_exit_code_2_and_name_the_file(model, case, tmp_path):
    image, mask = case
    empty = copy_of(mask, tmp_path / "empty.nii", lambda v: v * 0)
    shifted = copy_of(mask, tmp_path / "shifted.nii", affine=moved(read_affine(mask)))
    constant = copy_of(image, tmp_path / "constant.nii", lambda v: v * 0 + 7)
    nan = copy_of(image, tmp_path / "nan.nii", lambda v: v * np.nan)
    for files, culprit in (((image, empty), empty), ((image, shifted), shifted), ((constant, mask), constant),
                           ((nan, mask), nan)):
        assert str(culprit) in refusal(2, *words("score", model, files))


def with_stray(mask, path):
    """The tumour and one voxel of the same label far from it."""
    voxels = read_nifti(mask).astype(float)
    at = np.argwhere(voxels).mean(axis=0) < np.array(voxels.shape) / 2
    voxels[tuple(np.where(at, np.array(voxels.shape) - 2, 1))] = 1
    return write_nifti(path, voxels, read_affine(mask))


def test_the_largest_part_is_the_tumour_where_that_is_asked_for(model, case, tmp_path):
    stray = with_stray(case[1], tmp_path / "stray.nii")
    plain = scored(*words("score", model, case))
    largest = scored(*words("score", model, (case[0], stray), "--largest-part"))
    assert largest["score"] == plain["score"] and largest["mask"]["voxels"] == plain["mask"]["voxels"]
    out = tmp_path / "a.npy", tmp_path / "b.npy"
    answer(*words("preprocess", model, (case[0], stray), "--largest-part", "--out", out[0]))
    answer(*words("preprocess", model, case, "--out", out[1]))
    assert out[0].read_bytes() == out[1].read_bytes()


def test_the_mask_is_told_and_how_much_of_it_the_region_holds(case, folder, tmp_path):
    voxels, models = int(read_nifti(case[1]).sum()), {}
    for edge in (2, 0.5):
        models[edge] = folder / f"region-{edge}.safetensors"
        make_model(models[edge], **TINY, self_test=False, overrides={"input.region.spacing_mm": [edge] * 3})
    assert labelled(answer(*words("score", models[2], case)), "mask") == f"{voxels} voxels, one part"
    told = labelled(answer(*words("score", models[0.5], case)), "mask")
    found = re.fullmatch(rf"{voxels} voxels, one part (\S+) % of it inside the region, in one view (\S+) %", told)
    inside = scored(*words("score", models[0.5], case))["geometry"]
    shares = [inside["share_inside"], min(inside["view_share_inside"])]
    assert [float(part) / 100 for part in found.groups()] == pytest.approx(shares, rel=1e-3, abs=1.1e-4)
    assert shares[0] < 1
    stray = with_stray(case[1], tmp_path / "stray.nii")
    told = labelled(answer(*words("score", models[2], (case[0], stray), "--largest-part")), "mask")
    assert told == f"{voxels} voxels, the largest of 2 parts"
    text = refusal(2, *words("score", models[2], (case[0], stray)))
    assert f"{stray}: " in text and "--largest-part" in text


def test_the_grid_of_a_mask_is_chosen(model, case, tmp_path):
    plain = scored(*words("score", model, case))["score"]
    moved_mask = copy_of(case[1], tmp_path / "moved.nii", affine=moved(read_affine(case[1])))
    cut = read_nifti(case[1]).astype(float)
    affine = read_affine(case[1])
    affine[:3, 3] += affine[:3, :3] @ [1, 2, 3]
    cut_mask = write_nifti(tmp_path / "cut.nii", cut[1:, 2:, 3:], affine)
    for mask, grid in ((moved_mask, "image"), (cut_mask, "nearest")):
        for same in ((), ("--mask-grid", "same")):
            text = refusal(2, *words("score", model, (case[0], mask), *same))
            assert f"{case[0]}, {mask}: " in text and "--mask-grid" in text
        assert scored(*words("score", model, (case[0], mask), "--mask-grid", grid))["score"] == plain
        answer(*words("preprocess", model, (case[0], mask), "--mask-grid", grid, "--out", tmp_path / "x.npy"))
    refusal(2, *words("score", model, (case[0], cut_mask), "--mask-grid", "image"))
    assert "wanted same, image or nearest" in refusal(1, *words("score", model, case, "--mask-grid", "closest"))


def shifted_by(path, target, millimetres):
    affine = read_affine(path)
    affine[0, 3] += millimetres
    return copy_of(path, target, affine=affine)


def test_an_error_about_two_phases_names_both_and_not_the_mask(rich_model, two_phases, tmp_path):
    pre, post, mask = two_phases
    for first, second in ((pre, shifted_by(post, tmp_path / "post.nii", 2.5)),
                          (shifted_by(pre, tmp_path / "pre.nii", 2.5), post)):
        text = refusal(2, *rich_words(rich_model, (first, second, mask)))
        other = tmp_path / "post.nii" if first == pre else mask  # the first image is what all are compared with
        assert text.startswith(f"deeptepp: {first}, {other}: ") and text.count(str(mask)) == (other == mask)


def test_an_error_about_one_of_several_images_names_that_one(rich_model, two_phases, tmp_path):
    pre, post, mask = two_phases
    constant = copy_of(post, tmp_path / "constant.nii", lambda v: v * 0 + 7)
    for order in (("pre", "post"), ("post", "pre")):
        files = {"pre": pre, "post": constant}
        images = [part for name in order for part in ("--image", f"{name}={files[name]}")]
        text = refusal(2, "score", "--model", rich_model, *images, "--mask", mask, "--covariate", "age=60")
        assert text.startswith(f"deeptepp: {constant}: ")
    text = refusal(2, *rich_words(rich_model, two_phases, "--image", f"pre={constant}"))
    assert text.startswith(f"deeptepp: {pre}, {constant}: ")
    text = refusal(2, *rich_words(rich_model, two_phases, "--image", f"dwi={constant}"))
    assert text.startswith(f"deeptepp: {constant}: ")


def test_a_number_of_a_volume_beyond_all_numbers_is_told_as_it_was_written(model, case):
    for number in ("99999999999999999999", "18446744073709551617", "0000000000000000000007"):
        text = refusal(2, *words("score", model, (f"{case[0]}#{number}", case[1])))
        assert f"{case[0]}: found no volume #{number}, wanted #1, the only one" in text


def test_the_log_has_levels(model, case):
    done = run(*words("score", model, case, "--verbose"))
    lines = done.stderr.decode().splitlines()
    assert any(line.startswith("deeptepp: note: session: ") for line in lines)
    assert any(re.match("deeptepp: warning: .*not trained", line) for line in lines)
    assert all(re.match("deeptepp: (note|warning): ", line) for line in lines)


def test_the_log_names_wrong_tensors_as_errors(folder):
    path = folder / "tensors.safetensors"
    make_model(path, **TINY, self_test=False)
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"fc.bias"', b'"fc.bios"'))
    done = run("selftest", "--model", path, "--verbose")
    assert done.returncode == 2
    assert [line for line in done.stderr.decode().splitlines() if re.match("deeptepp: error: .*fc.bi", line)]


def test_channels_and_covariates_that_do_not_fit_are_exit_code_2(model, rich_model, case, two_phases):
    assert "deeptepp info" in refusal(2, *words("score", model, (f"dwi={case[0]}", case[1])))
    one = words("score", rich_model, (f"pre={case[0]}", case[1]), "--covariate", "age=60")
    assert "--image NAME=PATH" in refusal(2, *one)
    assert "age" in refusal(2, *rich_words(rich_model, two_phases)[:-2])
    refusal(2, *rich_words(rich_model, two_phases, "--covariate", "age=61"))
    refusal(2, *rich_words(rich_model, two_phases)[:-1], "age=170")


def test_a_memory_limit_is_kept(model, case):
    assert "--memory-limit" in refusal(4, *words("score", model, case, "--memory-limit", "100K"))
    told = " ".join(answer("score", "--help").split())
    assert "checked when the session is made" in told and "volumes and the backend's code are not counted" in told
    answer(*words("score", model, case, "--memory-limit", "8G"))


def test_a_memory_limit_of_nothing_is_no_limit_and_refused(model, case):
    assert "wanted a number of bytes above 0" in refusal(1, *words("score", model, case, "--memory-limit", "0"))


def test_standard_output_that_is_full_is_exit_code_3(model, case):
    with open("/dev/full", "w") as full:
        assert run(*words("score", model, case), stdout=full).returncode == 3


def test_ctrl_c_ends_a_score(folder, case):
    slow = folder / "slow.safetensors"
    make_model(slow, depth=18, width=16, size=24, self_test=False,
               overrides={"input.size": [96, 96, 96], "input.angles_deg": list(range(64))})
    command = words("score", slow, case, "--threads", 1)
    assert interrupted(signal.SIGINT, 1.5, *command) == (130, b"", b"deeptepp: interrupted\n")


@pytest.mark.parametrize("more", ((), ("--verbose",)), ids=("beside", "one after the other"))
@pytest.mark.parametrize("command", (("score",), ("preprocess", "--out", "x.npy")), ids=" ".join)
def test_of_case_and_model_the_case_is_spoken_of_first(folder, case, model, command, more):
    """They are opened side by side; what is wrong is said in one line all the same."""
    none, lost = folder / "none.safetensors", (folder / "lost.nii", case[1])
    command, *options = (*command, *more)
    for at in (none, model):
        assert "lost.nii: " in refusal(3, *words(command, at, lost, *options))
    assert "none.safetensors: " in refusal(3, *words(command, none, case, *options))


@pytest.mark.parametrize("more", (("--threads", 1), ("--threads", 8), ("--threads", 8, "--verbose")),
                         ids=("one", "side by side", "one after the other"))
def test_the_first_fault_in_order_is_told_however_many_are_read_at_once(folder, rich_model, two_phases, more):
    """The damage comes at a file's end, long after a later one is found to be lost."""
    pre, post, mask = two_phases
    damaged, lost = folder / "damaged.nii.gz", folder / "lost.nii.gz"
    damaged.write_bytes(pre.read_bytes()[:-8] + bytes(8))
    for phases, code, told in (((damaged, lost, lost), 2, "damaged.nii.gz: "), ((lost, damaged, mask), 3, "lost"),
                               ((pre, damaged, lost), 2, "damaged"), ((f"{pre}#0", lost, mask), 1, "#0"),
                               ((pre, f"{post}#2", lost), 2, "#2"), ((pre, post, lost), 3, "lost")):
        assert told in refusal(code, *rich_words(rich_model, phases, *more))


def test_files_read_side_by_side_are_those_read_one_after_the_other(rich_model, two_phases):
    command = rich_words(rich_model, two_phases, "--threads", 8, "--orientation", "RAS", "--json")
    beside, alone = run(*command), run(*command, "--verbose")
    assert beside.returncode == alone.returncode == 0 and beside.stdout == alone.stdout
    notes = [line for line in beside.stderr.decode().splitlines() if "states its own orientation" in line]
    assert len(notes) == 3 and all(str(path) in note for path, note in zip(two_phases, notes))


def test_an_orientation_for_one_of_several_files_is_used(folder, rich_model, two_phases):
    bare = folder / "bare.nii"
    image = nibabel.load(two_phases[1])
    image.header["qform_code"] = image.header["sform_code"] = 0
    bare.write_bytes(nibabel.Nifti1Image(np.asanyarray(image.dataobj), None, image.header).to_bytes())
    phases = (two_phases[0], bare, two_phases[2])
    assert "--orientation" in refusal(2, *rich_words(rich_model, phases, "--threads", 8))
    told = run(*rich_words(rich_model, phases, "--threads", 8, "--orientation", "RAS")).stderr.decode()
    assert told.count("states its own orientation") == 2 and "bare.nii states" not in told


# ---- preprocess ----


def test_preprocess_writes_the_networks_input(model, case, tmp_path):
    out = tmp_path / "x.npy"
    assert answer(*words("preprocess", model, case, "--out", out)) == ""
    values = np.load(out, allow_pickle=False)
    assert (values.shape, values.dtype) == ((3, 1, 24, 24, 24), np.float32)
    assert np.isfinite(values).all()
    assert np.abs(values.mean(axis=(1, 2, 3, 4))).max() < 1e-4 and values.std() == pytest.approx(1, abs=1e-3)
    assert list(tmp_path.iterdir()) == [out]


def test_a_preprocess_that_fails_leaves_the_old_file(model, case, tmp_path):
    out, absent = tmp_path / "x.npy", tmp_path / "absent.nii"
    out.write_text("old")
    refusal(3, *words("preprocess", model, (case[0], absent), "--out", out))
    assert out.read_text() == "old" and list(tmp_path.iterdir()) == [out]


def test_a_full_disk_is_noticed_even_by_a_file_smaller_than_a_buffer(folder, case):
    small = folder / "small.safetensors"
    make_model(small, **{**TINY, "size": 8, "views": 1}, self_test=False)
    assert "No space left" in refusal(3, *words("preprocess", small, case, "--out", "/dev/full"))


# ---- info and selftest ----


def test_info_tells_what_the_file_says(rich_model):
    text, described = answer("info", "--model", rich_model), json.loads(answer("info", "--model", rich_model, "--json"))
    flat = " ".join(text.split())
    for key in ("name", "version", "licence", "authors", "training_cohort", "intended_use", "limitations", "sha256"):
        assert described[key] in flat
    assert described["tiers"]["source"] in flat and described["calibration"]["source"] in flat
    for part in ("pre, post", "2 members of ", "fold0., fold1.", "age (years), 18 to 100: adds 0.01 * (age - 50)",
                 "Low, Moderate, High; cut at 0.27, 0.85", "SEEDED", "recipe cube", "rotated about AP", "shortcut B"):
        assert part in flat


def test_info_tells_levels_and_what_is_filled_in(folder):
    status = {"name": "status", "unit": "class", "missing": 0, "levels": [
        {"value": 0, "name": "negative", "coefficient": -0.125}, {"value": 1, "name": "positive", "coefficient": 2}]}
    path = folder / "levels.safetensors"
    make_model(path, **TINY, self_test=False, overrides={"covariates": [status]})
    assert labelled(answer("info", "--model", path), "covariates") == (
        "status (class) 0: negative, adds -0.125 1: positive, adds 2 where it is missing: 0, with a warning")


def test_info_tells_what_is_as_monai_has_it(folder):
    path = folder / "monai.safetensors"
    make_model(path, **TINY, self_test=False, stem_activation="elu", overrides={"input.region.lattice": "monai"})
    text = answer("info", "--model", path)
    assert labelled(text, "region") == "about the mask's middle, in steps of 1, 1, 1 mm where MONAI's Spacing puts them"
    assert "; shortcut B; relu, stem elu" in text


def test_info_tells_usual_ranges_and_provenance(folder):
    path = folder / "recorded.safetensors"
    long = "fold 0 of 5, " * 600
    make_model(path, **TINY, self_test=False, channels=("pre", "post"), overrides={
        "provenance": {"software": "deeptepp.train 0.1.0", "folds.seed": long},
        "input.usual": {"mask_ml": [0.5, 60], "intensity": [[100, 250.5], [-3, 5]]}})
    text = answer("info", "--model", path)
    assert labelled(text, "tumour") == "usually 0.5 to 60 ml"
    means = "of pre within the mask usually 100 to 250.5 of post within the mask usually -3 to 5"
    assert labelled(text, "means") == means
    assert labelled(text, "provenance") == f"software: deeptepp.train 0.1.0 folds.seed: {long.strip()}"


def test_info_without_them_tells_none(model):
    assert not re.search("^(tumour|means|provenance) ", answer("info", "--model", model), re.M)


# What is true of a cube and of resnet3d only.
CUBE_WORDS = ("region", "outside", "AP", "depth, height, width", "zscore")
RESNET3D_WORDS = ("strides", "dilations", "shortcut")


def test_info_of_the_published_network_and_views(folder):
    path = folder / "pmg2d.safetensors"
    make_model(path, architecture="pmg2d", width=8, members=5, self_test=False)
    text = answer("info", "--model", path)
    assert not [word for word in (*CUBE_WORDS, *RESNET3D_WORDS) if word in text]
    network = labelled(text, "network")
    assert network.startswith("pmg2d, 5 members of ") and "2-D ResNet" in network and "logits are added" in network
    assert labelled(text, "members") == "fold0., fold1., fold2., fold3., fold4."
    assert labelled(text, "recipe").startswith("mosaic: ") and "8 x 8" in labelled(text, "recipe")
    assert labelled(text, "views").startswith("rotated about index axis 1 by 36, 72, ")
    assert labelled(text, "slices").startswith("first: ") and labelled(text, "axes").startswith("LPS (index axes")


def test_info_of_a_mosaic_cube_in_stored_order(folder):
    path = folder / "mosaic_cube.safetensors"
    section = {"recipe": "mosaic_cube", "channels": ["t1"], "axes": "stored", "size": [64, 64, 64], "slices": "spaced",
               "angles_deg": [10, 20], "min_mask_voxels": 7}
    make_model(path, depth=10, width=4, size=64, self_test=False, overrides={"input": section})
    text = answer("info", "--model", path)
    assert not [word for word in CUBE_WORDS if word in text] and "shortcut B" in text
    assert labelled(text, "recipe").startswith("mosaic_cube: ") and "one behind the other" in labelled(text, "recipe")
    assert labelled(text, "views") == "rotated about index axis 1 by 10, 20 degrees"
    assert labelled(text, "slices").startswith("spaced: ")
    axes = labelled(text, "axes")
    assert axes.startswith("stored: ") and "depends on how the file is stored" in axes
    assert labelled(text, "mask") == "at least 7 voxels"


def test_info_needs_no_optional_section(folder):
    bare = folder / "bare.safetensors"
    make_model(bare, **TINY, self_test=False, overrides={"tiers": None})
    text = answer("info", "--model", bare)
    assert re.search(r"^tiers +none$", text, re.M) and re.search(r"^self-test +none$", text, re.M)


def test_a_self_test_passes(model):
    text = answer("selftest", "--model", model)
    assert re.search(r"^verdict +pass", text, re.M)
    assert re.search(r"^expected ", text, re.M) and re.search(r"^found ", text, re.M)


def test_a_self_test_fails(folder):
    wrong = folder / "wrong.safetensors"
    make_model(wrong, **TINY, overrides={"self_test": {"seed": 1, "score": 123.0}})
    done = run("selftest", "--model", wrong)
    assert done.returncode == 2
    assert b"expected        123\n" in done.stdout and re.search(rb"^verdict +FAIL", done.stdout, re.M)
    assert done.stderr.startswith(b"deeptepp: ") and done.stderr.count(b"\n") == 1


def test_a_model_without_self_test_is_exit_code_2(folder):
    bare = folder / "untested.safetensors"
    make_model(bare, **TINY, self_test=False)
    assert str(bare) in refusal(2, "selftest", "--model", bare)
