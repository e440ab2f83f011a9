"""Under a falling limit of the address space, from plenty down to where the program itself cannot be loaded: `info` and
`score` end with 0, or with 4 and one line that says why; no signal, no other code, and nothing half written."""

import collections
import os
import resource
import subprocess

import pytest

MIB = 1 << 20
STEP = MIB + 7 * 4096  # no multiple of the sizes that heaps grow by
LEAST, MOST = 16 * MIB, 4096 * MIB


def run(arguments, limit):
    def set_limit():
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return subprocess.run([os.environ["DEEPTEPP_CLI"], *map(str, arguments)], preexec_fn=set_limit, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def least_limit(arguments):
    """To a MiB: what the command needs."""
    low, high = LEAST, MOST
    while high - low > MIB:
        middle = (low + high) // 2
        low, high = (low, middle) if run(arguments, middle).returncode == 0 else (middle, high)
    assert high < MOST
    return high


def check(done, limit):
    said = done.stderr.decode()
    assert done.returncode in (0, 4), (limit, done.returncode, said)
    if done.returncode == 4:
        assert said.startswith("deeptepp: ") and said.count("\n") == 1, (limit, said)
        assert any(word in said for word in ("memory", "threads", "executable")), (limit, said)
        assert done.stdout == b"", (limit, done.stdout)


@pytest.mark.parametrize("command", ["info", "score"])
def test_an_address_space_that_ends_is_an_error(command, tiny_case):
    if resource.getrlimit(resource.RLIMIT_AS)[1] != resource.RLIM_INFINITY:
        pytest.skip("the address space is limited already")
    model, image, mask = tiny_case
    arguments = [command, "--model", model]
    arguments += ["--image", image, "--mask", mask, "--threads", "2"] if command == "score" else []
    loaded, enough = least_limit(["--version"]), least_limit(arguments)
    codes = collections.Counter()
    for limit in range(enough + 4 * STEP, loaded, -STEP):
        done = run(arguments, limit)
        check(done, limit)
        codes[done.returncode] += 1
    print(f"{command}: {loaded / MIB:.0f} MiB to be loaded, {enough / MIB:.0f} to succeed; exit codes {dict(codes)}")
    assert codes[0] >= 1 and codes[4] >= 10
