"""The Debian package on a machine of its own: installed, served as the unit says, under the originals' names, upgraded, removed.

    python3 tests/packages/deb.py PACKAGE.deb

What a package may leave behind is messages; everything else is compared with what was there before."""

import os
import pwd
import re
import shlex
import signal
import stat
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _machine import Service, ask, enter, overlay

NAMES = "nsq_stat nsq_tail nsq_to_file nsq_to_http nsq_to_nsq nsqadmin nsqd nsqlookupd to_nsq".split()
# What any installation of any package changes.
NOISE = re.compile(r"/var/(lib/dpkg|log|cache|lib/systemd/deb-systemd|backups)|/etc/(passwd|group|shadow|gshadow)-?$|/etc/subuid|/etc/subgid")


class Machine:
    def __init__(self, root):
        self.root = root

    def run(self, *command, status=0):
        done = subprocess.run(["chroot", self.root, *command], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        said = done.stdout + done.stderr
        assert status is None or done.returncode == status, f"{command}: {done.returncode}: {said}"
        return said

    def path(self, path):
        return self.root + path

    def exists(self, path):
        return os.path.lexists(self.root + path)

    def files(self):
        """Every file that a package could leave behind."""
        found = set()
        for top in ("/etc", "/usr", "/lib", "/var", "/opt", "/srv"):
            for directory, names, files in os.walk(self.root + top):
                found.update(os.path.join(directory, name)[len(self.root) :] for name in names + files)
        return {path for path in found if not NOISE.search(path)}

    def user(self, name):
        for line in open(self.path("/etc/passwd")):
            fields = line.split(":")
            if fields[0] == name:
                return int(fields[2]), int(fields[3])
        return None


def setting(unit, name):
    return next(line.split("=", 1)[1].strip() for line in unit.splitlines() if line.startswith(name + "="))


def installed(machine, package):
    said = machine.run("dpkg", "-i", package)
    assert "error" not in said.lower(), said
    uid, gid = machine.user("nuthatch")
    for path, mode, owner in (("/var/lib/nuthatch", 0o700, (uid, gid)), ("/etc/nuthatch", 0o750, (0, gid))):
        found = os.stat(machine.path(path))
        assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (mode, *owner), (path, found)
    assert stat.S_IMODE(os.stat(machine.path("/etc/nuthatch/nuthatch.toml")).st_mode) == 0o640
    assert machine.exists("/etc/systemd/system/multi-user.target.wants/nuthatch.service"), "the unit is enabled"
    assert "0 errors, 0 warnings" in machine.run("nuthatch", "check", "-c", "/etc/nuthatch/nuthatch.toml")
    for shell in ("bash-completion/completions/nuthatch", "zsh/vendor-completions/_nuthatch", "fish/vendor_completions.d/nuthatch.fish"):
        assert os.path.getsize(machine.path(f"/usr/share/{shell}")) > 1000, shell


def served(machine):
    """Started, reloaded, upgraded and stopped by the lines of the unit."""
    unit = open(machine.path("/lib/systemd/system/nuthatch.service")).read()
    check = shlex.split(setting(unit, "ExecStartPre"))
    assert "0 errors" in machine.run(*check)
    assert setting(unit, "User") == "nuthatch"
    service = Service(machine.root, machine.user("nuthatch"), shlex.split(setting(unit, "ExecStart")), setting(unit, "WorkingDirectory"))
    service.heard("READY=1")
    assert ask(22121, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n") == "+OK\r\n"
    assert ask(4151, b"POST /pub?topic=orders HTTP/1.0\r\nContent-Length: 1\r\n\r\nx").endswith("OK")
    assert machine.run("nuthatch", "health") == "ok\n"
    assert f"process {service.process.pid} serves it" in machine.run("nuthatch", "doctor", "-c", "/etc/nuthatch/nuthatch.toml")

    os.kill(service.process.pid, signal.SIGHUP)
    machine.run("nuthatch", "upgrade")
    main = int(re.search(r"MAINPID=(\d+)", service.heard("MAINPID=")).group(1))
    assert main != service.process.pid and machine.exists(f"/proc/{main}"), f"{main} {service.process.pid}"
    assert service.process.wait(60) == 0
    assert '"depth":1' in ask(4151, b"GET /stats?format=json HTTP/1.0\r\n\r\n")
    os.kill(main, signal.SIGTERM)
    service.heard("STOPPING=1")
    # An orphan in these namespaces is a child of their first process, this one.
    if os.getpid() == 1:
        os.waitpid(main, 0)
    assert machine.exists("/var/lib/nuthatch/topics")


def alternatives(machine):
    """The originals' names, and another program that has them."""
    for name in NAMES:
        link = f"/usr/bin/{name}"
        assert os.path.realpath(machine.path(link)).endswith("/usr/bin/nuthatch") or "/usr/bin/nuthatch" in machine.run("readlink", "-f", link)
        assert machine.run("readlink", "-f", f"/usr/share/man/man1/{name}.1.gz").strip() == f"/usr/share/man/man1/nuthatch-{name}.1.gz"
    assert machine.run("nsqd", "--version").startswith("nsqd v1.3.0")
    assert "Usage of nsq_stat" in machine.run("nsq_stat", "-h", status=None)

    other = machine.path("/opt/nsqd")
    with open(other, "w") as script:
        script.write("#!/bin/sh\necho the other nsqd\n")
    os.chmod(other, 0o755)
    machine.run("update-alternatives", "--install", "/usr/bin/nsqd", "nsqd", "/opt/nsqd", "100")
    assert machine.run("nsqd") == "the other nsqd\n"
    machine.run("update-alternatives", "--set", "nsqd", "/usr/bin/nuthatch")
    assert machine.run("nsqd", "--version").startswith("nsqd v1.3.0")
    machine.run("update-alternatives", "--remove", "nsqd", "/opt/nsqd")
    os.remove(other)


def nutcrackers_name(machine, package):
    """Debian's nutcracker is a file and not an alternative: it keeps its name until its package goes."""
    name = "/usr/sbin/nutcracker"
    if "install ok installed" in machine.run("dpkg-query", "-W", "-f", "${Status}", "nutcracker", status=None):
        assert not os.path.islink(machine.path(name))
        machine.run("dpkg", "--purge", "nutcracker")
        machine.run("dpkg", "-i", package)
    assert machine.run("readlink", "-f", name).strip() == "/usr/bin/nuthatch"
    assert "0.5.0" in machine.run("nutcracker", "-V", status=None)


def removed(machine, package, before):
    with open(machine.path("/etc/nuthatch/nuthatch.toml"), "a") as file:
        file.write("# a line of the operator\n")
    machine.run("dpkg", "-i", package)
    assert "a line of the operator" in open(machine.path("/etc/nuthatch/nuthatch.toml")).read(), "an upgrade keeps it"

    machine.run("dpkg", "-r", "nuthatch")
    assert not any(machine.exists(f"/usr/bin/{name}") for name in ["nuthatch", *NAMES]) and not machine.exists("/usr/sbin/nutcracker")
    assert machine.exists("/etc/nuthatch/nuthatch.toml") and machine.exists("/var/lib/nuthatch/topics")

    said = machine.run("dpkg", "-P", "nuthatch")
    assert "messages are left in /var/lib/nuthatch" in said, said
    left = {path for path in machine.files() - before if not path.startswith("/var/lib/nuthatch")}
    assert not left, f"left behind: {sorted(left)}"
    assert machine.user("nuthatch"), "whoever owns messages stays"

    # Without messages nothing is left.
    machine.run("rm", "-r", "/var/lib/nuthatch")
    machine.run("dpkg", "-i", package)
    machine.run("dpkg", "-P", "nuthatch")
    assert machine.files() <= before, sorted(machine.files() - before)
    assert machine.user("nuthatch") is None


def main():
    package = os.path.abspath(sys.argv[1])
    enter()
    machine = Machine(overlay())
    if "install ok installed" not in machine.run("dpkg-query", "-W", "-f", "${Status}", "adduser", status=None):
        print("SKIPPED: adduser is not installed, which the package depends on")
        return
    inside = "/tmp/nuthatch.deb"
    with open(package, "rb") as source, open(machine.path(inside), "wb") as target:
        target.write(source.read())
    before = machine.files()
    installed(machine, inside)
    print("ok installed")
    served(machine)
    print("ok served, reloaded, upgraded and stopped as the unit says")
    alternatives(machine)
    print("ok alternatives")
    nutcrackers_name(machine, inside)
    print("ok the name nutcracker")
    removed(machine, inside, before)
    print("ok removed")


if __name__ == "__main__":
    main()
