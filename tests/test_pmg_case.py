"""A whole case of the published model: breast1, ten views, five members, by the library and by a Python pipeline that
shares nothing with it (OpenCV's views, PyTorch's network)."""

import numpy as np
import pytest

import deeptepp_c
import make_model
import mosaic_case

pytest.importorskip("torch", reason="PyTorch is not here: tests/golden/pmg5_breast1.json stands in for it")
pytest.importorskip("cv2", reason="cv2 is not here: tests/golden/pmg5_breast1.json stands in for it")
nibabel = pytest.importorskip("nibabel", reason="nibabel is not here")
import reference_case  # noqa: E402 - needs PyTorch and OpenCV

pytestmark = pytest.mark.usefixtures("library")


def written(folder, **options):
    """A model file of seeded members, and its description."""
    path = folder / "model.safetensors"
    return path, make_model.make_model(path, **{**reference_case.OPTIONS, "self_test": False, **options})


def voxels(path):
    return np.asarray(nibabel.load(path).dataobj)


def compare(path, model, image, mask):
    """Promised: the score within a thousandth of its spread over views; here every view and member as well."""
    result = deeptepp_c.Session(path).score(deeptepp_c.case(image, mask))
    each = reference_case.scores(path, model, voxels(image), voxels(mask))
    allowed = 1e-3 * each.mean(axis=0).std(ddof=1)
    print("\n".join(f"{degrees:5g} degrees: {found:.6f}, by Python {wanted:.6f}" for degrees, found, wanted in
                    zip(model["input"]["angles_deg"], result["view_scores"], each.mean(axis=0))))
    print(f"score {result['score']:.6f}, by Python {each.mean():.6f}, allowed {allowed:.1e}")
    assert len(result["view_scores"]) == 10 and len(result["member_scores"]) == 5
    assert result["score"] == pytest.approx(each.mean(), abs=allowed)
    assert result["view_scores"] == pytest.approx(each.mean(axis=0), abs=allowed)
    assert result["member_scores"] == pytest.approx(each.mean(axis=1), abs=allowed)
    for fewer in (each[:, 1:], each[1:]):
        assert abs(fewer.mean() - each.mean()) > allowed, \
            "the comparison would not see a view or a member that is missing"


@pytest.mark.parametrize("name", ["breast1", "brain1"])
def test_the_score_is_the_python_pipelines(name, data, tmp_path):
    compare(*written(tmp_path), data / f"{name}_image.nii.gz", data / f"{name}_label.nii.gz")

