"""The commands' own parser."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """What is wrong is one line, without the usage; options have their whole names."""

    def __init__(self, *rest: Any, **named: Any) -> None:
        super().__init__(*rest, **named)
        self.allow_abbrev = False

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"deeptepp: {' '.join(message.split())} (--help lists the options)\n")
