"""A machine to throw away: namespaces of its own for mounts, processes and the network, and a root that nobody else sees.

A script calls `enter` first, which starts it again inside. Needs root (or a system that lets users have namespaces)."""

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile

INSIDE = "NUTHATCH_TEST_INSIDE"


def why_not():
    """Why there can be no such machine here; None if there can."""
    for program in ("unshare", "mount", "chroot", "setpriv"):
        if not shutil.which(program):
            return f"there is no {program}"
    made = subprocess.run(
        ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "true"], capture_output=True, text=True
    )
    return None if made.returncode == 0 else f"no namespaces: {made.stderr.strip()}"


def enter(*more):
    """Starts the script again in namespaces of its own, and `more` of unshare's, and ends with its status; returns inside."""
    if os.environ.get(INSIDE):
        loopback_up()
        return
    if reason := why_not():
        print(f"SKIPPED: {reason}")
        sys.exit(0)
    command = ["unshare", "--mount", "--pid", "--net", *more, "--fork", "--kill-child", sys.executable, *sys.argv]
    sys.exit(subprocess.run(command, env={**os.environ, INSIDE: "1"}).returncode)


def loopback_up():
    """`ip link set lo up`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: IFF_UP, IFF_RUNNING


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def overlay():
    """A root like this machine's, on which everything may be changed; what is changed is in memory and goes with the process."""
    work = tempfile.mkdtemp(prefix="nuthatch-machine-")
    mount("-t", "tmpfs", "-o", "mode=0755", "nuthatch", work)
    for name in ("upper", "work", "root"):
        os.mkdir(f"{work}/{name}")
    options = f"lowerdir=/,upperdir={work}/upper,workdir={work}/work"
    mount("-t", "overlay", "overlay", "-o", options, f"{work}/root")
    devices(f"{work}/root")
    for directory in ("tmp", "run"):
        mount("-t", "tmpfs", "-o", "mode=1777", "none", f"{work}/root/{directory}")
    return f"{work}/root"


def devices(root):
    for directory in ("proc", "dev"):
        os.makedirs(f"{root}/{directory}", exist_ok=True)
    mount("-t", "proc", "proc", f"{root}/proc")
    mount("--rbind", "/dev", f"{root}/dev")


class Service:
    """A daemon below `root` as another user, with a socket that it tells how it fares, as systemd has one."""

    def __init__(self, root, user, command, cwd, notify="/run/notify", environment=None):
        self.told = []
        os.makedirs(os.path.dirname(root + notify), exist_ok=True)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(root + notify)
        os.chmod(root + notify, 0o777)
        self.notify.settimeout(60)
        uid, gid = user

        def before():
            os.chroot(root)
            os.chdir(cwd)
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
            ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS

        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command,
            preexec_fn=before,
            env={"PATH": "/usr/sbin:/usr/bin", "NOTIFY_SOCKET": notify, **(environment or {})},
            stdout=self.log,
            stderr=self.log,
        )

    def output(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def heard(self, word):
        """Waits until the service has told `word`; everything it said then."""
        while not any(word in said for said in self.told):
            try:
                self.told.append(self.notify.recv(4096).decode())
            except TimeoutError:
                raise AssertionError(f"{word} was not told: {self.told}; {self.output()}") from None
        said = next(said for said in self.told if word in said)
        self.told.remove(said)
        return said


def ask(port, request, host="127.0.0.1"):
    """Everything that a server says to a request, until it closes or has said a line."""
    with socket.create_connection((host, port), timeout=30) as sock:
        sock.sendall(request)
        answer = b""
        while b"\n" not in answer or answer.startswith(b"HTTP/"):
            more = sock.recv(65536)
            if not more:
                break
            answer += more
        return answer.decode(errors="replace")
