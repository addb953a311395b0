"""The image of contrib/Containerfile, put together by its own lines: as its user, with a root that cannot be written, it serves, is
healthy and stops on its signal.

    python3 tests/packages/image.py CONTEXT

CONTEXT is what `cargo xtask package static` leaves in target/package. The root has what those lines put there and nothing else."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _machine import Service, ask, devices, enter, mount

CONTAINERFILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../contrib/Containerfile")


def lines():
    for line in open(CONTAINERFILE):
        if line.strip() and not line.startswith("#"):
            word, rest = line.strip().split(" ", 1)
            yield word, rest


def build(context, root):
    """What the lines say; files are copied as they are and directories with their content."""
    said = {}
    for word, rest in lines():
        if word != "COPY":
            said[word] = rest
            continue
        options = dict(re.findall(r"--(\w+)=(\S+)", rest))
        source, target = re.sub(r"--\w+=\S+ ", "", rest).split()
        source, target = os.path.join(context, source), root + target
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if os.path.isdir(source):
            os.makedirs(target)
        else:
            shutil.copyfile(source, target)
        os.chmod(target, int(options["chmod"], 8))
        owner = [int(part) for part in options.get("chown", "0:0").split(":")]
        os.chown(target, *owner)
    return said


def main():
    context = os.path.abspath(sys.argv[1])
    enter()
    root = tempfile.mkdtemp(prefix="nuthatch-image-")
    mount("-t", "tmpfs", "-o", "mode=0755", "image", root)
    said = build(context, root)
    devices(root)
    data = said["VOLUME"]
    os.makedirs(root + "/run")
    user = tuple(int(part) for part in said["USER"].split(":"))
    mount("-t", "tmpfs", "-o", f"mode=0700,uid={user[0]},gid={user[1]}", "data", root + data)
    mount("-t", "tmpfs", "run", root + "/run")
    assert user[0] != 0
    command = json.loads(said["ENTRYPOINT"]) + json.loads(said["CMD"])
    notify = "/run/notify"
    mount("-o", "remount,ro", root)
    try:
        open(root + "/etc/x", "w")
        raise AssertionError("the root can be written")
    except OSError:
        pass
    service = Service(root, user, command, said["WORKDIR"], notify)
    service.heard("READY=1")
    ports = said["EXPOSE"].split()
    assert ports == ["22121", "4150", "4151", "22220"]
    assert ask(22121, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n") == "+OK\r\n"
    assert ask(4151, b"POST /pub?topic=orders HTTP/1.0\r\nContent-Length: 1\r\n\r\nx").endswith("OK")
    health = json.loads(said["HEALTHCHECK"].split("CMD ")[1])
    done = subprocess.run(["chroot", f"--userspec={user[0]}:{user[1]}", root, *health], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done
    os.kill(service.process.pid, getattr(signal, said["STOPSIGNAL"]))
    assert service.process.wait(60) == 0, service.output()
    assert os.listdir(root + data + "/topics") != []
    print("ok the image serves as another user over a root that cannot be written")


if __name__ == "__main__":
    main()
