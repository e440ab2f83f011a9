"""A model file, opened, and the sessions that score with it."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, NamedTuple
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from ._calls import CALLBACKS, Bar, Call, Progress, c_path, c_text, number, options, text, text_or_none, whole
from ._cases import Case, ImageLike, Images, Inputs
from ._native import ffi, lib
from .score import Score, score_of
from .volume import Path

MaskGrid = Literal["same", "image", "nearest"]
Precision = Literal["f32", "bf16"]
PRECISIONS: dict[Precision, int] = {"f32": lib.DEEPTEPP_PRECISION_F32, "bf16": lib.DEEPTEPP_PRECISION_BF16}

MAX_THREADS = 256

# How far a score's progress is when its volumes are read, and when it has a session.
_READ, _READY = 0.2, 0.3


class Covariate(NamedTuple):
    """A covariate that the score takes.

    low, high   the inclusive range; None for one that has levels
    levels      the values it may have and what each stands for; empty for one that has a range
    substitute  the value that stands for a missing one; None: it must be given
    """

    name: str
    unit: str | None
    low: float | None
    high: float | None
    levels: tuple[tuple[float, str | None], ...]
    substitute: float | None


class SelfTest(NamedTuple):
    """The score the model file states and the one this machine gives."""

    expected: float
    found: float


@dataclass(frozen=True)
class Recipe:
    """What a Model is, in plain values: enough to open it again, in another process."""

    path: str | bytes
    sha256: str | None
    threads: int | None
    guidance: bool
    memory_limit: int | None
    max_file_bytes: int | None
    precision: Precision = "f32"


class Core:
    """The library's model and its sessions at rest: one a process for all Models of one file and the same options.

    A session serves one call at a time, so there come to be as many as calls have run at once. A list's pop and append
    need no lock, which a fork could leave held.
    """

    def __init__(self, handle: Any, recipe: Recipe) -> None:
        self.handle = handle
        self.recipe = recipe
        self._idle: list[Any] = []
        self.channels = tuple(text(lib.deeptepp_model_channel_name(handle, i))
                              for i in range(lib.deeptepp_model_channel_count(handle)))

    @contextmanager
    def session(self, call: Call, low: float, high: float) -> Iterator[Any]:
        """A session of the caller's own; to make it takes the call's progress from low to high."""
        call.part(low, high)
        try:
            session = self._idle.pop()
        except IndexError:
            session = self._new_session(call)
        call.part(high, 1)
        try:
            yield session
        finally:
            self._idle.append(session)

    def _new_session(self, call: Call) -> Any:
        settings = options("deeptepp_session_options", callbacks=CALLBACKS, no_guidance=not self.recipe.guidance,
                           memory_limit=self.recipe.memory_limit)
        out = ffi.new("deeptepp_session **")
        try:
            status = lib.deeptepp_session_new(out, self.handle, settings, call.error)
        finally:
            session = ffi.gc(out[0], lib.deeptepp_session_free)
        call.check(status)
        return session


# A fork may leave the lock held: the child gets one of its own, and goes on with the parent's models.
_opening = threading.RLock()
_cores: WeakValueDictionary[Recipe, Core] = WeakValueDictionary()
# Those opened for unpickled copies, which a worker gets anew with every task: the last few stay open.
_reopened: deque[Core] = deque(maxlen=4)


def _after_fork() -> None:
    global _opening
    _opening = threading.RLock()


os.register_at_fork(after_in_child=_after_fork)


def _key(recipe: Recipe) -> Recipe:
    threads = recipe.threads or min(len(os.sched_getaffinity(0)), MAX_THREADS)
    return replace(recipe, path="", max_file_bytes=None, threads=threads)


def _absolute(path: Path) -> str | bytes:
    """Not normalised: "link/.." is where the system says it is. An empty path stays one, and is refused."""
    given = os.fspath(path)
    if not given:
        return given
    return os.path.join(os.getcwdb(), given) if isinstance(given, bytes) else os.path.join(os.getcwd(), given)


def _open(call: Call, recipe: Recipe) -> Core:
    """The file is read and checked; its memory is shared where the same one is open already."""
    digest = None if recipe.sha256 is None else ffi.new("char[]", c_text(recipe.sha256, "expected_sha256"))
    settings = options("deeptepp_model_options", callbacks=CALLBACKS, threads=recipe.threads,
                       max_file_bytes=recipe.max_file_bytes, expected_sha256=digest,
                       precision=PRECISIONS[recipe.precision])
    out = ffi.new("deeptepp_model **")
    try:
        status = lib.deeptepp_model_open(out, c_path(recipe.path), settings, call.error)
    finally:
        handle = ffi.gc(out[0], lib.deeptepp_model_free)
    call.check(status)
    opened = replace(recipe, sha256=text(lib.deeptepp_model_sha256(handle)))
    return _cores.setdefault(_key(opened), Core(handle, opened))


def _precision(given: Any) -> Precision:
    if given not in PRECISIONS:
        raise ValueError(f"precision is {given!r}, wanted one of {', '.join(PRECISIONS)}")
    found: Precision = given
    return found


def precision_available(precision: Precision) -> bool:
    """Whether this processor computes in a precision: "f32" always; "bf16" where it has AVX512_BF16, which is faster
    than "f32" where it has AMX too and slower where it has not."""
    return bool(lib.deeptepp_precision_available(PRECISIONS[_precision(precision)]))


def open_model(path: Path, *, threads: int | None = None, expected_sha256: str | None = None, guidance: bool = True,
               memory_limit: int | None = None, max_file_bytes: int | None = None, precision: Precision = "f32",
               progress: Progress = None) -> Model:
    """Reads and checks a model file.

    threads          compute threads of each call, 1 to 256; None: one a processor that this thread may use
    expected_sha256  a file with another one is refused
    guidance         False: no score carries what the paper proposes for its tier
    memory_limit     bytes; a call fails where model and session would need more
    max_file_bytes   a larger file is refused; None: 4 GiB
    precision        "bf16": convolutions in bfloat16. Scores move a little (Model.precision_shift); near a cut-point
                     they are computed in "f32" again. PrecisionError where the processor has none (see
                     precision_available), and of a model that takes intensities as they are
    progress         True for a bar, or a callable that gets the fraction that is done, 0 to 1
    """
    recipe = Recipe(_absolute(path), expected_sha256, whole(threads, "threads", MAX_THREADS), bool(guidance),
                    whole(memory_limit, "memory_limit"), whole(max_file_bytes, "max_file_bytes"), _precision(precision))
    with Bar(progress, "opening") as bar, Call(bar.callable) as call:
        core = _open(call, recipe)
    return Model(_recipe=replace(recipe, sha256=core.recipe.sha256), _core=core)


class Model:
    """A model file, opened by open_model. Any number of threads may use one at once.

    It pickles as path, SHA-256 and options. The copy opens the file when it is first used, unless its process has it
    open already; a file that has changed is then an error. After a fork the child goes on with the parent's memory.
    """

    def __init__(self, *, _recipe: Recipe, _core: Core | None = None) -> None:
        self._recipe = _recipe
        self._core = _core
        self._closed = False

    # ---- Life ----

    def close(self) -> None:
        """Gives the memory back, once calls that are running have ended."""
        self._closed = True
        core, self._core = self._core, None
        if core is not None and core in _reopened:
            _reopened.remove(core)

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *rest: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        if self._closed:
            raise ValueError("the model is closed")
        return asdict(self._recipe)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._recipe = Recipe(**state)
        self._core = _cores.get(_key(self._recipe))
        self._closed = False

    def _opened(self) -> Core:
        core = self._core
        if core is not None:
            return core
        with _opening, Call() as call:
            if self._closed:
                raise ValueError("the model is closed")
            core = self._core or _cores.get(_key(self._recipe)) or self._reopen(call)
            self._core = core
            if self._closed:  # meanwhile
                self._core = None
                raise ValueError("the model is closed")
            return core

    def _reopen(self, call: Call) -> Core:
        core = _open(call, self._recipe)
        _reopened.append(core)
        return core

    # ---- What it is ----

    @property
    def path(self) -> str:
        """Absolute."""
        return os.fsdecode(self._recipe.path)

    @property
    def sha256(self) -> str:
        return str(self._recipe.sha256)

    @property
    def threads(self) -> int | None:
        """As open_model was told."""
        return self._recipe.threads

    @property
    def precision(self) -> Precision:
        """As open_model was told."""
        return self._recipe.precision

    @property
    def precision_shift(self) -> float:
        """How far "bf16" moves scores from those of "f32", measured on noise when the model was opened; 0 in "f32"."""
        core = self._opened()
        return float(lib.deeptepp_model_precision_shift(core.handle))

    @property
    def precision_margin(self) -> float:
        """A score this near a cut-point is computed in "f32" again; 0 in "f32"."""
        core = self._opened()
        return float(lib.deeptepp_model_precision_margin(core.handle))

    @property
    def name(self) -> str:
        core = self._opened()
        return text(lib.deeptepp_model_name(core.handle))

    @property
    def info(self) -> Mapping[str, str]:
        """Everything the model file says, as texts: "input.region.spacing_mm" is "1, 1, 1"."""
        core = self._opened()
        return MappingProxyType({text(lib.deeptepp_model_property_key(core.handle, i)):
                                 text(lib.deeptepp_model_property_value(core.handle, i))
                                 for i in range(lib.deeptepp_model_property_count(core.handle))})

    @property
    def channels(self) -> tuple[str, ...]:
        """The images that a case must have, by name."""
        return self._opened().channels

    @property
    def covariates(self) -> tuple[Covariate, ...]:
        core = self._opened()
        return tuple(_covariate(core.handle, i) for i in range(lib.deeptepp_model_covariate_count(core.handle)))

    @property
    def tiers(self) -> tuple[str, ...]:
        """Names, from the lowest; empty without cut-points."""
        core = self._opened()
        return tuple(text(lib.deeptepp_model_tier_name(core.handle, i))
                     for i in range(lib.deeptepp_model_tier_count(core.handle)))

    @property
    def cutpoints(self) -> tuple[float, ...]:
        """Between the tiers, rising; a score equal to one is of the lower tier."""
        core = self._opened()
        return tuple(lib.deeptepp_model_cutpoint(core.handle, i) for i in range(len(self.tiers) - 1))

    @property
    def members(self) -> tuple[str, ...]:
        """The ensemble's members, by the prefix of their tensors' names."""
        core = self._opened()
        return tuple(text(lib.deeptepp_model_member_name(core.handle, i))
                     for i in range(lib.deeptepp_model_member_count(core.handle)))

    @property
    def survival_times(self) -> tuple[float, ...]:
        """Of the calibration, in the unit that info["calibration.unit"] says; empty without one."""
        core = self._opened()
        return tuple(lib.deeptepp_model_survival_time(core.handle, i)
                     for i in range(lib.deeptepp_model_survival_count(core.handle)))

    @property
    def input_shape(self) -> tuple[int, int, int, int, int]:
        """Views, channels, depth, height, width."""
        core = self._opened()
        shape = ffi.new("int64_t[5]")
        lib.deeptepp_model_input_shape(core.handle, shape)
        return shape[0], shape[1], shape[2], shape[3], shape[4]

    @property
    def memory(self) -> int:
        """Bytes that the model and one session hold; each further call that runs at once adds the session alone."""
        core = self._opened()
        return int(lib.deeptepp_model_memory(core.handle))

    def __repr__(self) -> str:
        state = ", closed" if self._closed else ""
        return f"<Model {self.path!r}, SHA-256 {self.sha256[:12]}{state}>"

    # ---- What it does ----

    def score(self, image: Images, mask: ImageLike, *, label: int | None = None, largest_part: bool = False,
              mask_grid: MaskGrid = "same", covariates: Mapping[str, float | None] | None = None,
              orientation: str | None = None, progress: Progress = None) -> Score:
        """Scores a case.

        image, mask   a path, a Volume, (array, affine), or an image of nibabel or SimpleITK; of a model with several
                      channels, image is a mapping from their names
        label         the value that marks the tumour; None: the only one there is
        largest_part  of several connected parts the largest alone is the tumour
        mask_grid     "same": the mask lies on the image's grid; "image": its voxels are the image's, whatever its
                      geometry says; "nearest": it is put onto the image's grid
        covariates    by name, in the model's units; None is a missing one
        orientation   for files that state none, such as "LPS"
        progress      True for a bar, or a callable that gets the fraction that is done, 0 to 1
        """
        inputs = Inputs(image, mask, label, largest_part, mask_grid, covariates, orientation)
        with Bar(progress, "scoring") as bar, Call(bar.callable) as call:
            core, case = self._case(call, inputs)
            out = ffi.new("deeptepp_result **")
            with core.session(call, _READ, _READY) as session:
                status = lib.deeptepp_session_score(session, case.handle, out, call.error)
            result = ffi.gc(out[0], lib.deeptepp_result_free)
            call.check(status, case.channels)
            return score_of(result)

    def preprocess(self, image: Images, mask: ImageLike, *, label: int | None = None, largest_part: bool = False,
                   mask_grid: MaskGrid = "same", orientation: str | None = None,
                   progress: Progress = None) -> npt.NDArray[np.float32]:
        """The network's input for a case, of input_shape. Arguments: as for score."""
        inputs = Inputs(image, mask, label, largest_part, mask_grid, None, orientation)
        tensor = np.empty(self.input_shape, dtype=np.float32)
        with Bar(progress, "preprocessing") as bar, Call(bar.callable) as call:
            core, case = self._case(call, inputs)
            out = ffi.from_buffer("float[]", tensor, require_writable=True)
            with core.session(call, _READ, _READY) as session:
                status = lib.deeptepp_session_preprocess(session, case.handle, out, tensor.size, call.error)
            call.check(status, case.channels)
        return tensor

    def self_test(self, *, progress: Progress = None) -> SelfTest:
        """Does this machine give the score the model file says it must, in "f32"? If not: ModelSelfTestError."""
        core = self._opened()
        expected, found = ffi.new("double *"), ffi.new("double *")
        with Bar(progress, "self-test") as bar, Call(bar.callable) as call:
            with core.session(call, 0, _READY) as session:
                call.check(lib.deeptepp_session_self_test(session, expected, found, call.error))
        return SelfTest(expected[0], found[0])

    def _case(self, call: Call, inputs: Inputs) -> tuple[Core, Case]:
        core = self._opened()
        return core, inputs.case(call, core.channels[0] if len(core.channels) == 1 else "image", _READ)


def _covariate(model: Any, index: int) -> Covariate:
    bounds = ffi.new("double[2]")
    lib.deeptepp_model_covariate_range(model, index, bounds)
    levels = tuple((float(lib.deeptepp_model_covariate_level(model, index, i)),
                    text_or_none(lib.deeptepp_model_covariate_level_name(model, index, i)))
                   for i in range(lib.deeptepp_model_covariate_level_count(model, index)))
    return Covariate(text(lib.deeptepp_model_covariate_name(model, index)),
                     text_or_none(lib.deeptepp_model_covariate_unit(model, index)),
                     number(bounds[0]), number(bounds[1]), levels,
                     number(lib.deeptepp_model_covariate_substitute(model, index)))
