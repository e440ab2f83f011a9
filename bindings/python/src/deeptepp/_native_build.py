"""Writes the C source of the extension module deeptepp._native: _native_build.py HEADER OUT.

The public header is the only declaration. cffi gets it as it stands, without what only a compiler understands, and the
compiler then checks every struct and every constant against the header itself.
"""

import re
import sys
from pathlib import Path

import cffi

CALLBACKS = """
extern "Python" void on_log(void *user, deeptepp_log_level level, const char *line);
extern "Python" void on_progress(void *user, double fraction);
extern "Python" int on_cancel(void *user);
"""


def declarations(header: str) -> str:
    """The header without comments, lines of the preprocessor and the wrapping for C++."""
    text = re.sub(r"/\*.*?\*/", " ", header, flags=re.DOTALL)
    text = re.sub(r"^#ifdef __cplusplus$.*?^#endif$", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    return text.replace("DEEPTEPP_API ", "")


def main(header: str, out: str) -> None:
    builder = cffi.FFI()
    builder.cdef(declarations(Path(header).read_text(encoding="utf-8")) + CALLBACKS)
    builder.set_source("deeptepp._native", "#include <deeptepp/deeptepp.h>")
    builder.emit_c_code(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
