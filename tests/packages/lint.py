"""What linters say of the package, the units and the container file. A linter that is not there is named and left out.

    python3 tests/packages/lint.py PACKAGE.deb"""

import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Exposure of the unit by `systemd-analyze security`, in tenths.
EXPOSURE_MAX = 20


def found(program):
    beside = os.path.join(os.path.dirname(sys.executable), program)
    return beside if os.path.exists(beside) else shutil.which(program)


def lint(program, *arguments, accept=lambda done: done.returncode == 0):
    path = found(program)
    if not path:
        print(f"SKIPPED: {program} is not installed")
        return
    done = subprocess.run([path, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=ROOT)
    said = (done.stdout + done.stderr).strip()
    assert accept(done), f"{program}: {said}"
    print(f"ok {program}: {said.splitlines()[-1] if said else 'nothing to say'}")


def main():
    package = os.path.abspath(sys.argv[1])
    lint("lintian", "--profile", "debian", "--fail-on", "error", "--allow-root", package)
    unit = "contrib/systemd/nuthatch.service"
    lint("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", unit)
    # Programs and manual pages of the package are not installed here; everything else has to be right.
    missing = ("is not executable", "failed with code 16")
    lint(
        "systemd-analyze",
        "verify",
        unit,
        "contrib/systemd/optional/nuthatch.socket",
        accept=lambda done: all(any(word in line for word in missing) for line in done.stderr.splitlines()),
    )
    lint("hadolint", "contrib/Containerfile")


if __name__ == "__main__":
    main()
