"""The Debian package under a systemd of its own: the unit with all its sandboxing, sockets that systemd binds, restarts.

    python3 tests/packages/systemd.py PACKAGE.deb

systemd is the first process of a namespace, over a root to throw away; it needs a cgroup that may be written."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _machine import ask, enter, mount, overlay

SYSTEMD = "/lib/systemd/systemd"
PATIENCE = 60
# systemctl does nothing in a root of its own, unless it is told that this is meant.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_IGNORE_CHROOT": "1", "DEBIAN_FRONTEND": "noninteractive"}
SET = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"


def cgroup_root():
    """Where the unified hierarchy is mounted; None if it is nowhere."""
    for line in open("/proc/mounts"):
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return where
    return None


class Machine:
    def __init__(self, root):
        self.root = root
        self.init = None
        self.console = tempfile.TemporaryFile()

    def inside(self, *command):
        """A command on the machine; once it is up, among its processes: systemd knows no others."""
        if self.init:
            return ["nsenter", "--target", self.init, "--pid", "--mount", "--root", "--wd", *command]
        return ["chroot", self.root, *command]

    def run(self, *command, status=0):
        done = subprocess.run(self.inside(*command), capture_output=True, text=True, stdin=subprocess.DEVNULL, env=ENVIRONMENT, timeout=PATIENCE)
        said = (done.stdout + done.stderr).strip()
        assert status is None or done.returncode == status, f"{command}: {done.returncode}: {said}\n{self.journal()}"
        return said

    def boot(self):
        """Starts systemd, and waits until the machine is up."""
        for kind, where in (("sysfs", "sys"), ("cgroup2", "sys/fs/cgroup")):
            os.makedirs(f"{self.root}/{where}", exist_ok=True)
            mount("-t", kind, kind, f"{self.root}/{where}")
        with open(f"{self.root}/etc/machine-id", "w") as file:
            file.write("0" * 31 + "1\n")
        # Not chroot: below one there are no user namespaces, which the unit asks for.
        init = f"""
            mount -t proc proc {self.root}/proc && cd {self.root} && mkdir -p old-root && pivot_root . old-root &&
            umount -l /old-root && exec {SYSTEMD} --system --unit=basic.target --log-target=console"""
        self.process = subprocess.Popen(
            ["unshare", "--pid", "--mount", "--ipc", "--uts", "--fork", "--kill-child", "sh", "-c", init],
            env={"container": "nuthatch-test", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            stdin=subprocess.DEVNULL,
            stdout=self.console,
            stderr=self.console,
        )
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        self.init = self.until(lambda: open(children).read().strip(), "its first process")
        self.until(lambda: self.run("systemctl", "is-active", "basic.target", status=None) == "active", "the machine to be up")

    def until(self, condition, what):
        end = time.monotonic() + PATIENCE
        while not (found := condition()):
            assert self.process.poll() is None, f"systemd has ended: {self.said()}"
            assert time.monotonic() < end, f"waited in vain for {what}\n{self.journal()}\n{self.said()}"
            time.sleep(0.05)
        return found

    def said(self):
        self.console.seek(0)
        return self.console.read().decode(errors="replace")[-3000:]

    def journal(self):
        status = self.inside("systemctl", "--no-pager", "--full", "status", "nuthatch.service", "nuthatch.socket")
        commands = [status, self.inside("journalctl", "--no-pager", "-n", "40")]
        ended = [subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=ENVIRONMENT) for command in commands]
        return "\n".join(done.stdout + done.stderr for done in ended)

    def shows(self, name, unit="nuthatch.service"):
        return self.run("systemctl", "show", "--value", "-p", name, unit)

    def off(self):
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def own_cgroup():
    """A cgroup for everything that is started here."""
    root = cgroup_root()
    directory = os.path.join(root, f"nuthatch-test-{os.getpid()}-{time.time_ns()}")
    os.mkdir(directory)
    mine = next(line for line in open("/proc/self/cgroup") if line.startswith("0::"))[3:].strip()
    with open(f"{directory}/cgroup.procs", "w") as file:
        file.write("0")
    try:
        yield
    finally:
        with open(root + mine.rstrip("/") + "/cgroup.procs", "w") as file:
            file.write("0")
        end = time.monotonic() + PATIENCE
        for path, _, _ in os.walk(directory, topdown=False):
            while time.monotonic() < end:
                with contextlib.suppress(OSError):
                    os.rmdir(path)
                    break
                time.sleep(0.05)


def activated(machine):
    """systemd listens, and starts the service for the first client."""
    machine.run("systemctl", "start", "nuthatch.socket")
    assert machine.shows("ActiveState") == "inactive"
    assert ask(22121, SET) == "+OK\r\n"
    assert machine.shows("ActiveState") == "active" and machine.shows("Type") == "notify"
    assert ask(4151, b"POST /pub?topic=orders HTTP/1.0\r\nContent-Length: 1\r\n\r\nx").endswith("OK")
    unused = [line for line in machine.journal().splitlines() if "inherited socket closed" in line]
    assert not unused, unused


def restarted(machine):
    """No client is refused while the service restarts: it waits, but for one that the old process takes as it stops, which is closed."""
    machine.run("systemctl", "reload", "nuthatch")
    restart = subprocess.Popen(machine.inside("systemctl", "restart", "nuthatch"), env=ENVIRONMENT)
    answers, closed = 0, 0
    while restart.poll() is None or answers < 10:
        try:
            answer = ask(22121, SET)
        except ConnectionResetError:
            answer = ""
        assert answer in ("+OK\r\n", ""), answer
        answers, closed = answers + bool(answer), closed + (not answer)
    assert restart.returncode == 0, machine.journal()
    assert closed < 10 and ask(22121, SET) == "+OK\r\n", closed
    assert '"depth":1' in ask(4151, b"GET /stats?format=json HTTP/1.0\r\n\r\n")


def survived(machine):
    """Killed, it is started again; replaced by its successor, it stays the same service."""
    machine.run("systemctl", "kill", "--signal=KILL", "--kill-who=main", "nuthatch")
    machine.until(lambda: machine.shows("NRestarts") == "1" and machine.shows("ActiveState") == "active", "the restart")
    assert ask(22121, SET) == "+OK\r\n"
    before = machine.shows("MainPID")
    machine.run("nuthatch", "upgrade")
    machine.until(lambda: machine.shows("MainPID") not in ("0", before), "the successor as main process")
    assert machine.shows("ActiveState") == "active" and machine.shows("NRestarts") == "1"
    assert ask(22121, SET) == "+OK\r\n"


def stopped(machine):
    machine.run("systemctl", "restart", "nuthatch")
    machine.run("systemctl", "stop", "nuthatch.socket", "nuthatch.service")
    assert (machine.shows("ActiveState"), machine.shows("Result")) == ("inactive", "success"), machine.journal()
    exposure = machine.run("systemd-analyze", "security", "--no-pager", "nuthatch.service", status=None)
    level = re.search(r"exposure level for nuthatch.service: ([\d.]+)", exposure)
    assert level is None or float(level.group(1)) <= 2.0, exposure


def main():
    package = os.path.abspath(sys.argv[1])
    for needed, what in ((shutil.which("systemctl") and os.path.exists(SYSTEMD), "systemd"), (cgroup_root(), "a cgroup of version 2")):
        if not needed:
            print(f"SKIPPED: units under systemd: there is no {what}")
            return
    enter("--cgroup")
    # Of the processes in this namespace, whose numbers `nsenter` goes by.
    mount("-t", "proc", "proc", "/proc")
    with own_cgroup():
        machine = Machine(overlay())
        shutil.copyfile(package, f"{machine.root}/tmp/nuthatch.deb")
        machine.run("dpkg", "-i", "/tmp/nuthatch.deb")
        machine.run("systemctl", "disable", "nuthatch.service")
        machine.run("cp", "/usr/share/doc/nuthatch/examples/nuthatch.socket", "/etc/systemd/system/")
        try:
            machine.boot()
            for step in (activated, restarted, survived, stopped):
                step(machine)
                print(f"ok {step.__name__}", flush=True)
        except Exception:
            print(machine.journal(), machine.said(), sep="\n", flush=True)
            raise
        finally:
            machine.off()


if __name__ == "__main__":
    main()
