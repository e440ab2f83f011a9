"""Opening a large volume: progress that rises, cancelling that is heard, on the caller's thread."""

import ctypes
import gzip
import os
import threading
from ctypes import CFUNCTYPE, byref, c_char_p, c_double, c_int, c_size_t, c_void_p

import pytest

import deeptepp_c
import hazard_files as files

pytestmark = pytest.mark.usefixtures("library")

SHAPE = (512, 512, 80)  # 84 MB of float32


class Callbacks(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("log", CFUNCTYPE(None, c_void_p, c_int, c_char_p)),
                ("progress", CFUNCTYPE(None, c_void_p, c_double)), ("cancel", CFUNCTYPE(c_int, c_void_p)),
                ("user", c_void_p)]


class Listener:
    """Says yes at the `patience`-th question; None: never."""

    def __init__(self, patience=None):
        self.fractions, self.asked, self.threads, self.patience = [], 0, set(), patience
        types = {name: kind for name, kind in Callbacks._fields_}
        self.callbacks = Callbacks(ctypes.sizeof(Callbacks), types["log"](), types["progress"](self.hear),
                                   types["cancel"](self.ask), None)

    def hear(self, _, fraction):
        self.fractions.append(fraction)
        self.threads.add(threading.get_ident())

    def ask(self, _):
        self.asked += 1
        self.threads.add(threading.get_ident())
        return self.patience is not None and self.asked >= self.patience


def opened(path, listener, number=0):
    options = deeptepp_c.VolumeOptions(ctypes.sizeof(deeptepp_c.VolumeOptions),
                                       ctypes.addressof(listener.callbacks), number, 0, None)
    return deeptepp_c.Handle("volume", "volume_open", os.fsencode(path), byref(options))


def written(path, shape):
    """Zeros: a few stored bytes of gzip are many megabytes of voxels."""
    import numpy as np
    content = files.nifti(np.zeros(shape, dtype=np.float32))
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)
    return path


@pytest.fixture(scope="module", params=["a.nii", "a.nii.gz"])
def path(request, tmp_path_factory):
    return written(tmp_path_factory.mktemp("large") / request.param, SHAPE)


def test_progress_rises_to_1_on_the_callers_thread(path):
    listener = Listener()
    opened(path, listener)
    assert listener.fractions == sorted(set(listener.fractions)) and listener.fractions[-1] == 1
    assert len(listener.fractions) > 3 and 0 < listener.fractions[0] < 0.2
    assert listener.threads == {threading.get_ident()}


def test_it_asks_for_every_few_megabytes(path):
    """84 MB read, then 21 million voxels checked."""
    listener = Listener()
    opened(path, listener)
    assert 84 // 4 + 21 // 2 <= listener.asked <= 84 * 4 + 21


@pytest.mark.parametrize("number", [1, 8])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_it_asks_no_oftener_for_volumes_that_it_passes_over(tmp_path, name, number):
    """84 MB again, of which an eighth is kept."""
    listener = Listener()
    opened(written(tmp_path / name, (512, 512, 10, 8)), listener, number)
    assert 84 // 4 <= listener.asked <= 84 * 4 + 21


@pytest.mark.parametrize("patience", [1, 5, 25])
def test_a_yes_ends_it_and_the_file_can_be_opened_again(path, patience):
    listener = Listener(patience)
    with pytest.raises(deeptepp_c.DeepteppError) as caught:
        opened(path, listener)
    assert caught.value.status == "CANCELLED" and listener.asked == patience
    assert 1 not in listener.fractions
    opened(path, Listener())
