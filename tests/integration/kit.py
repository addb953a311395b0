"""Starts the programs that the tests talk to, on ports that are free, and stops them.

Nothing here sleeps: a program is ready when a connection to it succeeds, and it is waited for by its exit. Everything
binds 127.0.0.1 only. `NUTHATCH_BIN` is the binary under test (default: target/release/nuthatch). If its name is
`nutcracker`, the tests that the original can pass may be run against it:

    NUTHATCH_BIN=/usr/sbin/nutcracker pytest tests/integration -m original
"""

import collections
import contextlib
import http.client
import json
import os
import random
import re
import select
import shutil
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("NUTHATCH_BIN") or ROOT / "target/release/nuthatch")
NODE_MODULES = os.environ.get("NUTHATCH_NODE_MODULES") or str(ROOT / "target/test-node/node_modules")
IS_ORIGINAL = BINARY.name == "nutcracker"

# Far more than anything takes, also where others keep the machine busy.
READY_SECONDS = 60
STOP_SECONDS = 60
ANSWER_SECONDS = 60
STARTS_MAX = 5
# Ports that programs are told to listen on. The system gives those above to outgoing connections: one of them might take the
# port before the program does, or while it is down, or even connect to itself. Well-known ports are further down.
PORTS = range(23_000, 32_768)
given = collections.deque(maxlen=1000)


def system_ports():
    """First of the ports that the system gives to outgoing connections."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return PORTS.stop


def free_port():
    """A port that nobody uses now, and that was not given lately. Another process may take it before it is used: see `start`."""
    ours = sorted({*PORTS[: max(0, system_ports() - PORTS.start)]} - {*given})
    for port in [*random.sample(ours, min(100, len(ours))), 0]:
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            port = listener.getsockname()[1]
            given.append(port)
            return port
    raise AssertionError("no port is free")


def accepts(port):
    """True if somebody accepts connections on the port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def until(condition, what, seconds=ANSWER_SECONDS):
    """Waits until something holds, and gives what it gave. `what` is waited for, in words or as a function that finds them."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain: {what() if callable(what) else what}"
        select.select([], [], [], 0.01)
    return found


class Program:
    """A running program. Its output is kept, and shown when it does not start or does not stop cleanly."""

    def __init__(self, name, argv, ports, directory):
        self.name, self.ports, self.directory = name, ports, directory
        self.output_path = directory / f"{name}.log"
        with open(self.output_path, "wb") as output:
            self.process = subprocess.Popen(
                [str(word) for word in argv], cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    @property
    def port(self):
        return self.ports[0]

    def output(self):
        return self.output_path.read_text(errors="replace")

    def is_ready(self):
        """Waits until every port accepts. False if the program ended, as it does when somebody else took its port."""
        deadline = time.monotonic() + READY_SECONDS
        for port in self.ports:
            while not accepts(port):
                try:
                    self.process.wait(0.01)
                    return False
                except subprocess.TimeoutExpired:
                    assert time.monotonic() < deadline, f"{self.name} does not listen:\n{self.output()}"
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """Ends it without warning, as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Asks it to end, and returns its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} does not stop:\n{self.output()}") from None
        assert "panicked at" not in self.output(), f"{self.name} panicked:\n{self.output()}"
        return status


def start(name, ports, argv_of, directory):
    """Starts `argv_of(*ports)` with so many fresh ports; again with others if somebody took one of them."""
    for _ in range(STARTS_MAX):
        chosen = [free_port() for _ in range(ports)]
        program = Program(name, argv_of(*chosen), chosen, directory)
        if program.is_ready():
            return program
    raise AssertionError(f"{name} does not start:\n{program.output()}")


def start_redis(name, directory, *options):
    base = ["redis-server", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"]
    return start(name, 1, lambda port: [*base, "--port", port, *options], directory)


def start_memcached(name, directory, *options):
    base = ["memcached", "-u", "nobody", "-l", "127.0.0.1", "-U", "0"]
    return start(name, 1, lambda port: [*base, "-p", port, *options], directory)


def start_nutcracker(directory, servers, **keys):
    """The binary as nutcracker, with one pool `alpha` over the programs in `servers` and the keys given."""

    def argv(port, stats):
        lines = ["alpha:", f"  listen: 127.0.0.1:{port}"]
        lines += [f"  {key}: {str(value).lower() if isinstance(value, bool) else value}" for key, value in keys.items()]
        lines += ["  servers:"]
        lines += [f"    - 127.0.0.1:{server.port}:1 {server.name}" for server in servers]
        conf = directory / "nutcracker.yml"
        conf.write_text("\n".join(lines) + "\n")
        face = [BINARY] if IS_ORIGINAL else [BINARY, "nutcracker"]
        return [*face, "-c", conf, "-o", "", "-a", "127.0.0.1", "-s", stats]

    return start("nutcracker", 2, argv, directory)


def start_native(directory, protocol, servers, **options):
    """The binary with a nuthatch.toml: one pool over the programs in `servers`, or over the embedded cache if there are none."""

    def argv(port):
        listed = ", ".join(f'"127.0.0.1:{server.port}:1 {server.name}"' for server in servers) or '"local"'
        lines = ["[pool.test]", f'listen = "127.0.0.1:{port}"', f'protocol = "{protocol}"', f"servers = [{listed}]"]
        lines += [f"{key} = {value}" for key, value in options.items()]
        conf = directory / "nuthatch.toml"
        conf.write_text("\n".join(lines) + "\n")
        return [BINARY, "run", "-c", conf]

    return start("nuthatch", 1, argv, directory)


def start_configured(stack, name, text, ports):
    """The native face with this configuration, kept by the stack."""
    path = stack.path / f"{name}.toml"
    path.write_text(text)
    program = Program(name, [BINARY, "run", "-c", path], ports, stack.path)
    assert program.is_ready(), program.output()
    stack.keep(program)
    return program


def start_nsqd(directory, *options, name="nsqd"):
    """The binary as nsqd, with its own data directory. `ports` are those of TCP and HTTP."""
    data = directory / f"{name}-data"
    data.mkdir(exist_ok=True)

    def argv(tcp, http):
        addresses = [f"--tcp-address=127.0.0.1:{tcp}", f"--http-address=127.0.0.1:{http}"]
        # HTTPS listens as soon as there is a certificate: not on its well-known port.
        addresses.append("--https-address=127.0.0.1:0")
        return [BINARY, "nsqd", *addresses, f"--data-path={data}", *options]

    return start(name, 2, argv, directory)


def start_nsqlookupd(directory, *options, name="nsqlookupd", ports=None):
    """The binary as nsqlookupd. `ports` are those of TCP and HTTP; given ones make it come back where it was."""

    def argv(tcp, http):
        addresses = [f"--tcp-address=127.0.0.1:{tcp}", f"--http-address=127.0.0.1:{http}"]
        return [BINARY, "nsqlookupd", *addresses, "--broadcast-address=127.0.0.1", *options]

    if ports is None:
        return start(name, 2, argv, directory)
    program = Program(name, argv(*ports), ports, directory)
    assert program.is_ready(), program.output()
    return program


def start_lookup(directory, options, ports=None, name="lookup"):
    """A nuthatch.toml with nothing but a [lookup]. `ports` as with nsqlookupd."""

    def argv(tcp, http):
        conf = directory / f"{name}.toml"
        lines = ["[lookup]", f'tcp = "127.0.0.1:{tcp}"', f'http = "127.0.0.1:{http}"']
        lines += [f'{key} = "{value}"' for key, value in options.items()]
        conf.write_text("\n".join(lines) + "\n")
        return [BINARY, "run", "-c", conf]

    if ports is None:
        return start(name, 2, argv, directory)
    program = Program(name, argv(*ports), ports, directory)
    assert program.is_ready(), program.output()
    return program


def start_node(directory, lookup, peers, name, admin=None):
    """A whole node: a queue, a lookup at these ports, registered with all `peers`. Its ports are the queue's TCP and HTTP; the
    admin port is `admin`, if it is given."""

    def argv(tcp, http):
        conf = directory / f"{name}.toml"
        lines = ["[queue]", f'tcp = "127.0.0.1:{tcp}"', f'http = "127.0.0.1:{http}"', f'data_path = "{directory / name}"']
        lines += ['broadcast_address = "127.0.0.1"', f"nsqlookupd_tcp_addresses = {json.dumps(peers)}"]
        lines += ["[lookup]", f'tcp = "127.0.0.1:{lookup[0]}"', f'http = "127.0.0.1:{lookup[1]}"']
        lines += [] if admin is None else ["[admin]", f'listen = "127.0.0.1:{admin}"']
        conf.write_text("\n".join(lines) + "\n")
        return [BINARY, "run", "-c", conf]

    return start(name, 2, argv, directory)


def start_nsqadmin(directory, *options, name="nsqadmin"):
    """The binary as nsqadmin. Its port is that of HTTP."""

    def argv(port):
        return [BINARY, "nsqadmin", f"--http-address=127.0.0.1:{port}", *options]

    return start(name, 1, argv, directory)


def fetch(port, path, method="GET", body=None, headers=None, raw=False, tls=None):
    """Status and body of an answer over HTTP, with `tls` (a context) over TLS to `localhost`.

    JSON is read, unless `raw`; what is no text is sent as JSON.
    """
    body = json.dumps(body) if not isinstance(body, (str, bytes, type(None))) else body
    if tls is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    else:
        connection = http.client.HTTPSConnection("localhost", port, timeout=ANSWER_SECONDS, context=tls)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        status, got = answer.status, answer.read()
    finally:
        connection.close()
    if raw:
        return status, got
    kind = answer.headers.get("Content-Type", "")
    return status, json.loads(got) if kind.startswith("application/json") else got.decode()


@contextlib.contextmanager
def directory():
    """A directory for one test's programs, removed afterwards. memcached, as user nobody, need not get into it."""
    path = Path(tempfile.mkdtemp(prefix="nuthatch-test-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class Stack(contextlib.ExitStack):
    """Programs that are stopped in reverse order. Stopping the binary under test must end with status 0."""

    def __init__(self):
        super().__init__()
        self.path = self.enter_context(directory())
        self.programs = []

    def keep(self, program):
        self.programs.append(program)
        self.callback(program.stop)
        return program

    def keep_proxy(self, program):
        def stop():
            status = program.stop()
            assert IS_ORIGINAL or status == 0, f"exit status {status}:\n{program.output()}"

        self.programs.append(program)
        self.callback(stop)
        return program

    def check_alive(self):
        """None of the programs has ended by itself. One that did is told once."""
        dead = [program for program in self.programs if program.process.poll() is not None]
        self.programs = [program for program in self.programs if program not in dead]
        for program in dead:
            raise AssertionError(f"{program.name} ended with {program.process.returncode}:\n{program.output()[-3000:]}")


def cpu_seconds(pid):
    """CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_kib(pid):
    """Resident memory of a process."""
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1])


class Others:
    """How busy others keep the machine. What a limit in seconds says of the binary, it says only where they leave it room."""

    SHARE_MAX = 0.2

    def __init__(self, *pids):
        self.pids = [os.getpid(), *pids]
        self.since, self.before = time.monotonic(), self.used()

    def used(self):
        """CPU seconds of everybody but these processes: in programs, in the kernel for them, and on the host's other machines."""
        user, nice, system, _, _, _, _, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
        return (user + nice + system + steal) / os.sysconf("SC_CLK_TCK") - sum(map(cpu_seconds, self.pids))

    def share(self):
        """Of all cores' time since the beginning."""
        return max(0, self.used() - self.before) / ((time.monotonic() - self.since) * os.cpu_count())

    def leave_room(self):
        """True if a limit in seconds may be held against the binary. Asked while its processes are there; tells what it found."""
        share = self.share()
        is_much = share > self.SHARE_MAX
        print(f"others use {share:.0%} of the machine" + (": SKIPPED: limits in seconds" if is_much else ""))
        return not is_much


def missing(*programs):
    """The first of the programs that is not installed, if any."""
    return next((program for program in programs if shutil.which(program) is None), None)


def node(script, *arguments):
    """Runs a script of `node/` and returns what it printed. It is killed if it hangs."""
    argv = ["node", str(Path(__file__).parent / "node" / script), *[str(argument) for argument in arguments]]
    environment = {**os.environ, "NODE_PATH": NODE_MODULES}
    ended = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, f"{script}: exit status {ended.returncode}\n{ended.stdout}{ended.stderr}"
    return ended.stdout


def in_threads(count, work):
    """Runs `work(0)` to `work(count - 1)` at the same time; what any of them raises is raised here."""
    with ThreadPoolExecutor(count) as pool:
        for done in [pool.submit(work, n) for n in range(count)]:
            done.result()


class Wire:
    """A bare connection, for what client libraries do not send."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def expect(self, data):
        """Reads exactly so many bytes as `data` has, and compares."""
        got = b""
        while len(got) < len(data):
            more = self.socket.recv(len(data) - len(got))
            if not more:
                break
            got += more
        assert got == data, f"wanted {data!r:.300}, got {got!r:.300}"

    def line(self):
        """The next line, with its end."""
        got = b""
        while not got.endswith(b"\r\n"):
            more = self.socket.recv(1)
            assert more, f"closed after {got!r:.300}"
            got += more
        return got

    def exactly(self, size):
        """The next bytes, so many."""
        got = b""
        while len(got) < size:
            more = self.socket.recv(size - len(got))
            assert more, f"closed after {got!r:.300}"
            got += more
        return got

    def frame(self):
        """The next frame of NSQ's protocol: its type and its data."""
        data = self.exactly(int.from_bytes(self.exactly(4), "big"))
        return int.from_bytes(data[:4], "big"), data[4:]

    def has_answer(self):
        """Something has come that was not read yet, or the other side has closed."""
        poll = select.poll()  # select.select knows only the first 1,024 descriptors
        poll.register(self.socket, select.POLLIN)
        return bool(poll.poll(0))

    def ask(self, request, reply):
        self.send(request)
        self.expect(reply)

    def expect_closed(self):
        """The other side closes, with nothing more sent."""
        with contextlib.suppress(ConnectionResetError):
            assert self.socket.recv(1) == b""
