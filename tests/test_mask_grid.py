"""A mask on another grid than its image (option "nearest") against a plain loop, SciPy and nibabel; connected parts and
their distances against SciPy."""

import numpy as np
import pytest

from deeptepp_c import LIBRARY, Mask, Session, case, volume

pytestmark = pytest.mark.skipif(LIBRARY is None, reason="DEEPTEPP_LIBRARY is not set")
