"""python -m deeptepp COMMAND: each command is a module with a `main(argv) -> exit code`, imported when it is run."""

import importlib
import sys

COMMANDS = {
    "cohort": "deeptepp._cohort_command",
    "merge": "deeptepp._merge_command",
    "table": "deeptepp.readers._command",
    "convert": "deeptepp.convert._command",
    "freeze": "deeptepp._freeze_command",
    "dicom": "deeptepp._dicom_command",
    "train": "deeptepp.train._command",
}


def main() -> int:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name in ("-h", "--help"):
        print(f"usage: python -m deeptepp {'|'.join(COMMANDS)} ...")
        return 0
    if name not in COMMANDS:
        print(f"deeptepp: command \"{name}\", wanted {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        return int(importlib.import_module(COMMANDS[name]).main(sys.argv[2:]))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
