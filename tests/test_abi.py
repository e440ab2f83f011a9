"""The ABI promise: symbol list, abidiff against the baseline, header as C11 and C++17, install and pkg-config."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ABI = ROOT / "tests" / "abi"
HEADER = ROOT / "include" / "deeptepp" / "deeptepp.h"


# The baseline is made with the same options: abidw OPTIONS --out-file tests/abi/deeptepp.abi LIBRARY, on Debian 12,
# from a build with debugging information; the list of symbols from nm -D --defined-only, sorted.
ABIDW_OPTIONS = ["--headers-dir", HEADER.parent, "--drop-private-types", "--drop-undefined-syms", "--no-show-locs",
                 "--no-corpus-path", "--no-comp-dir-path", "--short-locs", "--no-elf-needed"]


def run(*command, **keywords):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **keywords)
    assert done.returncode == 0, done.stdout
    return done.stdout


def exported(library):
    return sorted(line.split()[-1] for line in run("nm", "-D", "--defined-only", library).splitlines())


def test_symbols_are_the_list(library_path):
    assert exported(library_path) == (ABI / "symbols.txt").read_text().split()


def test_symbols_are_the_header():
    declared = re.findall(r"DEEPTEPP_API [\w\s*]*?\b(deeptepp_\w+)\(", HEADER.read_text())
    assert sorted(declared) == (ABI / "symbols.txt").read_text().split()


def test_abidiff(library_path, tmp_path):
    assert shutil.which("abidiff"), "abidiff is not installed (package abigail-tools; tests/run installs it)"
    found = tmp_path / "found.abi"
    run("abidw", *ABIDW_OPTIONS, "--out-file", found, library_path)
    run("abidiff", "--no-added-syms", ABI / "deeptepp.abi", found)


@pytest.mark.parametrize("compiler, standard, language", [("gcc", "c11", "c"), ("g++", "c++17", "c++")])
def test_header_compiles_alone(compiler, standard, language, tmp_path):
    source = tmp_path / "one.c"
    source.write_text("#include <deeptepp/deeptepp.h>\nint main(void) { return deeptepp_version() == 0; }\n")
    run(compiler, "-x", language, f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I",
        ROOT / "include", "-c", source, "-o", tmp_path / "one.o")


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """The build installed under a DESTDIR, as a packager does."""
    build = os.environ.get("DEEPTEPP_BUILD")
    assert build, "set DEEPTEPP_BUILD to a Meson build folder (tests/run does)"
    staging = tmp_path_factory.mktemp("staging")
    run("ninja", "-C", build, "install", env={**os.environ, "DESTDIR": str(staging)})
    # A moved prefix, so that only what pkg-config says is used.
    prefix = next(staging.rglob("include/deeptepp")).parent.parent
    return staging, prefix


def pkg_config(installed, *arguments):
    staging, prefix = installed
    folder = next(prefix.rglob("deeptepp.pc")).parent
    text = run("pkg-config", "--define-variable=prefix=" + str(prefix), *arguments, "deeptepp",
               env={**os.environ, "PKG_CONFIG_PATH": str(folder)})
    return text.split()


def test_usage_block_from_outside(installed, tmp_path, tiny_case):
    """The header's own usage block, as a program outside the tree, built with pkg-config alone, scores."""
    block = HEADER.read_text().split("#include <deeptepp/deeptepp.h>\n *\n", 1)[1].split("\n *\n", 1)[0]
    body = "\n".join(line[3:] for line in block.splitlines())
    source = tmp_path / "usage.c"
    source.write_text("#include <stdio.h>\n#include <deeptepp/deeptepp.h>\nint main(void)\n{\n" + body +
                      "\nreturn 0;\n}\n")
    program = tmp_path / "usage"
    run("gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", source, "-o", program,
        *pkg_config(installed, "--cflags", "--libs"))
    model, image, mask = tiny_case
    for path, name in [(model, "model.safetensors"), (image, "image.nii.gz"), (mask, "mask.nii.gz")]:
        shutil.copy(path, tmp_path / name)
    library = next(installed[1].rglob("libdeeptepp.so")).parent
    said = run(program, cwd=tmp_path, env={**os.environ, "LD_LIBRARY_PATH": str(library)})
    expected = json.loads(run(os.environ["DEEPTEPP_CLI"], "score", "--json", "--model", model, "--image", image,
                              "--mask", mask))
    assert said == f"score {expected['score']:.6f}, tier {expected['tier']['index']}\n"


def test_static_library_links(installed, tmp_path):
    source = tmp_path / "one.c"
    source.write_text("#include <deeptepp/deeptepp.h>\n#include <stdio.h>\n"
                      "int main(void) { puts(deeptepp_version()); return 0; }\n")
    archive = next(installed[1].rglob("libdeeptepp.a"))
    flags = [f for f in pkg_config(installed, "--static", "--cflags", "--libs") if f != "-ldeeptepp"]
    at = next(i for i, f in enumerate(flags) if f.startswith("-l"))
    run("gcc", source, "-o", tmp_path / "one", *flags[:at], archive, *flags[at:])
    assert run(tmp_path / "one").strip() == version()


def version():
    text = (HEADER.parent / "version.h").read_text()
    return ".".join(re.search(rf"VERSION_{part} (\d+)", text).group(1) for part in ("MAJOR", "MINOR", "PATCH"))


NETWORK = {"socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "send", "sendto", "sendmsg",
           "sendmmsg", "recv", "recvfrom", "recvmsg", "recvmmsg", "getaddrinfo", "gethostbyname", "gethostbyname_r",
           "getnameinfo",
           "res_query", "dlopen", "dlmopen", "system", "popen", "execve", "execvp", "posix_spawn", "posix_spawnp"}


@pytest.mark.parametrize("variable", ["DEEPTEPP_LIBRARY", "DEEPTEPP_CLI"])
def test_no_network(variable):
    """No symbol of a socket or a name look-up is imported, nor a way to another library or program that has one."""
    symbols = run("nm", "-D", "--undefined-only", os.environ[variable]).splitlines()
    imported = {line.split()[-1].split("@")[0] for line in symbols}
    assert "memcpy" in imported
    assert not imported & NETWORK


@pytest.mark.parametrize("variable", ["DEEPTEPP_LIBRARY", "DEEPTEPP_CLI"])
def test_hardened(variable):
    """Every symbol bound at the start and read-only from then on, no executable stack, guarded stacks, checked copies,
    code at no fixed address."""
    binary = os.environ[variable]
    dynamic, segments = run("readelf", "--wide", "-d", binary), run("readelf", "--wide", "-l", binary)
    assert re.search(r"\(FLAGS\) .*BIND_NOW", dynamic) and re.search(r"\(FLAGS_1\) .*NOW", dynamic)
    assert "GNU_RELRO" in segments and "Elf file type is DYN" in segments
    assert re.search(r"GNU_STACK .* RW +0x", segments), "the stack is executable"
    assert "TEXTREL" not in dynamic
    imported = run("nm", "-D", "--undefined-only", binary)
    assert "__stack_chk_fail" in imported
    assert re.search(r"\b__(mem|str|v?sn?printf|v?fprintf)\w*_chk\b", imported)


@pytest.mark.parametrize("variable", ["DEEPTEPP_LIBRARY", "DEEPTEPP_CLI"])
def test_no_symbol_is_newer_than_glibc_2_34(variable):
    """So that what was built on a newer system runs on the oldest that is in use."""
    symbols = run("nm", "-D", "--undefined-only", os.environ[variable])
    found = {tuple(map(int, version.split("."))) for version in re.findall(r"@GLIBC_([\d.]+)", symbols)}
    assert found and max(found) <= (2, 34), [line for line in symbols.splitlines()
                                             if any(f"@GLIBC_{'.'.join(map(str, v))}" in line for v in found
                                                    if v > (2, 34))]


def test_one_version(installed):
    """Header, library and pkg-config agree."""
    assert pkg_config(installed, "--modversion") == [version()]
    assert run(os.environ["DEEPTEPP_CLI"], "--version").startswith(f"deeptepp {version()} ")


def test_nothing_else_is_installed(installed):
    staging, prefix = installed
    found = {str(p.relative_to(prefix)) for p in prefix.rglob("*") if p.is_file() and not p.is_symlink()}
    allowed = r"bin/deeptepp|include/deeptepp/(deeptepp|version)\.h|lib.*/libdeeptepp\.(a|so\.[\d.]+)|" \
        r"lib.*/pkgconfig/deeptepp\.pc"
    assert not [name for name in found if not re.fullmatch(allowed, name)]
