"""The extension module: cffi's view of the public header. What it holds is typed by the C compiler, not here."""

from typing import Any

ffi: Any
lib: Any
