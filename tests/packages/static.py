"""The static binary: it needs nothing of the system below it, and serves where there is nothing but itself.

    python3 tests/packages/static.py ARCHIVE.tar.gz

ARCHIVE is what `cargo xtask package static` leaves in target/package."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _machine import Service, ask, devices, enter, mount

PROGRAM_INTERPRETER, PROGRAM_DYNAMIC, NEEDED = 3, 2, 1
PACKED = "nuthatch LICENSE README.md nuthatch.example.toml nuthatch.service man/nuthatch.1.gz completions/nuthatch.bash".split()
# The front pool finds its server by a name, which the C library resolves.
CONFIG = """
[pool.cache]
listen = "127.0.0.1:22121"
servers = ["local"]
[pool.front]
listen = "127.0.0.1:22131"
servers = ["cache.test:22121:1 a"]
[queue]
tcp = "127.0.0.1:4150"
http = "127.0.0.1:4151"
data_path = "/data"
[admin]
listen = "127.0.0.1:22220"
"""
USER = (65532, 65532)


def wants(path):
    """What an ELF file asks the system for: (its loader, or None; how many shared libraries)."""
    with open(path, "rb") as file:
        image = file.read()
    assert image[:6] == b"\x7fELF\x02\x01", f"{path} is no ELF file of 64 bits, little-endian"
    (at,), (size, count) = struct.unpack_from("<Q", image, 32), struct.unpack_from("<HH", image, 54)
    loader, libraries = None, 0
    for n in range(count):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", image, at + n * size)
        if kind == PROGRAM_INTERPRETER:
            loader = image[offset : offset + length].rstrip(b"\0").decode()
        elif kind == PROGRAM_DYNAMIC:
            libraries += sum(tag == NEEDED for tag, _ in struct.iter_unpack("<QQ", image[offset : offset + length]))
    return loader, libraries


def is_static(binary):
    loader, libraries = wants("/bin/sh")
    assert loader and libraries, "the check finds nothing in a program that is not static"
    assert wants(binary) == (None, 0), f"{binary} is not static: {wants(binary)}"
    if shutil.which("ldd"):
        said = subprocess.run(["ldd", binary], capture_output=True, text=True)
        said = said.stdout + said.stderr
        assert "statically linked" in said or "not a dynamic executable" in said, said
    print(f"ok static: {os.path.getsize(binary)} bytes")


def command(*arguments):
    return b"*%d\r\n" % len(arguments) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in arguments)


def until_closed(port, request):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        sock.sendall(request)
        return b"".join(iter(lambda: sock.recv(4096), b""))


def serves(binary):
    root = tempfile.mkdtemp(prefix="nuthatch-static-")
    mount("-t", "tmpfs", "-o", "mode=0755", "static", root)
    devices(root)
    for directory in ("etc", "data"):
        os.mkdir(f"{root}/{directory}")
    os.chown(f"{root}/data", *USER)
    shutil.copy(binary, f"{root}/nuthatch")
    for name, content in (("nuthatch.toml", CONFIG), ("hosts", "127.0.0.1 cache.test\n")):
        with open(f"{root}/etc/{name}", "w") as file:
            file.write(content)
    service = Service(root, USER, ["/nuthatch", "run", "-c", "/etc/nuthatch.toml"], "/data")
    service.heard("READY=1")
    assert ask(22131, command(b"SET", b"k", b"value")) == "+OK\r\n", service.output()
    assert until_closed(22131, command(b"GET", b"k") + command(b"QUIT")) == b"$5\r\nvalue\r\n+OK\r\n"
    assert ask(4151, b"POST /pub?topic=orders HTTP/1.0\r\nContent-Length: 1\r\n\r\nx").endswith("OK")
    assert '"depth":1' in ask(4151, b"GET /stats?format=json HTTP/1.0\r\n\r\n")
    health = subprocess.run(["chroot", root, "/nuthatch", "health"], capture_output=True, text=True)
    assert (health.returncode, health.stdout) == (0, "ok\n"), health
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(60) == 0, service.output()
    print("ok it serves a cache, a pool and a queue in a root with nothing else in it")


def main():
    archive = os.path.abspath(sys.argv[1])
    enter()
    unpacked = tempfile.mkdtemp(prefix="nuthatch-archive-")
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(unpacked)
        (directory,) = os.listdir(unpacked)
        directory = os.path.join(unpacked, directory)
        missing = [name for name in PACKED if not os.path.isfile(os.path.join(directory, name))]
        assert not missing, f"not in the archive: {missing}"
        is_static(os.path.join(directory, "nuthatch"))
        serves(os.path.join(directory, "nuthatch"))
    finally:
        shutil.rmtree(unpacked)


if __name__ == "__main__":
    main()
