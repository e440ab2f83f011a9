"""Real volumes and a phantom, both networks, every way in: the command line's score to the last bit."""

import nibabel
import numpy as np
import pytest

import deeptepp
import make_model


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    paths = {name: folder / f"{name}.safetensors" for name in ("resnet3d", "pmg2d")}
    make_model.make_model(paths["resnet3d"], depth=10, width=8, size=(32, 32, 32), views=3, self_test=False)
    make_model.make_model(paths["pmg2d"], architecture="pmg2d", width=4, views=1, self_test=False)
    return paths


def of_simpleitk(path):
    return pytest.importorskip("SimpleITK", reason="SimpleITK is not installed").ReadImage(str(path))


def of_array(layout):
    def volume(path):
        file = nibabel.load(path)
        return layout(np.asarray(file.dataobj)), file.affine
    return volume


WAYS = {
    "path": str, "nibabel": nibabel.load, "SimpleITK": of_simpleitk, "C": of_array(np.ascontiguousarray),
    "Fortran": of_array(np.asfortranarray),
    "negative": of_array(lambda a: np.ascontiguousarray(a[::-1, ::-1, ::-1])[::-1, ::-1, ::-1]),
}


@pytest.mark.parametrize("case", ["phantom", "breast1", "brain1"])
@pytest.mark.parametrize("name", ["resnet3d", "pmg2d"])
def test_every_way_in_gives_the_command_line_s_score(models, paths, request, command_line, name, case):
    if case == "phantom":
        volumes = paths
    else:
        data = request.getfixturevalue("data")
        volumes = data / f"{case}_image.nii.gz", data / f"{case}_label.nii.gz"
    wanted = command_line(models[name], *volumes)
    with deeptepp.open_model(models[name]) as model:
        for way, given in WAYS.items():
            found = model.score(given(volumes[0]), given(volumes[1]))
            assert (found.score, list(found.view_scores)) == (wanted["score"], wanted["view_scores"]), way
