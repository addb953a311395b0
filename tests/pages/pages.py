"""The documentation as somebody follows it: every block of commands is run, every configuration checked, every link followed.

    python3 tests/pages/pages.py [PAGE]...

A page is one session: an empty directory, a network of its own where the usual ports are free, and its blocks in their order. A remark
before a block says what is different about it:

    <!-- file: NAME -->           a configuration, which is written and checked
    <!-- background: PORT... -->  a daemon, which runs on; its ports are waited for
    <!-- stop: PORT -->           the daemon at that port is ended first (SIGTERM, exit status 0)
    <!-- setup: WHAT -->          what the page presumes
    <!-- not run here: WHY -->    told, and left out

What a text mentions between backticks, `nuthatch COMMAND --OPTION`, is not run; commands and options have to exist. The blocks marked ini
are what one puts beside a unit: tests/packages/systemd.py does."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(HERE, "../packages"))
from _machine import enter, mount

BINARY = os.environ.get("NUTHATCH_BIN", os.path.join(ROOT, "target/release/nuthatch"))
GOLDEN = os.path.join(ROOT, "../shared/golden")
BLOCK = re.compile(r"(?:<!-- (file|background|stop|setup|not run here)(?:: ([^\n]*?))? -->\n)?^```(\w*)\n(.*?)^```", re.S | re.M)
PATIENCE = 60
# Pages whose commands other tests run, and where.
ELSEWHERE = {
    "docs/tools.md": "tests/integration/test_tools.py",
    "docs/operations.md": "tests/integration/test_operations.py",
    "docs/queue.md": "crates/nuthatch/tests/process/docs.rs",
}
# What a page presumes without saying so.
PRESUMED = {
    "docs/doctor.md": {
        "nuthatch.toml": '[pool.a]\nlisten = "127.0.0.1:22121"\nservers = ["local"]\n[admin]\nlisten = "127.0.0.1:22220"\n',
        "nutcracker.yml": "a:\n  listen: 127.0.0.1:22131\n  hash: fnv1a_64\n  distribution: ketama\n  redis: true\n  servers:\n   - 127.0.0.1:22121:1 local\n",
        "run": ["nuthatch", "run", "-c", "nuthatch.toml"],
        "ports": [22121, 22220],
    },
}
COMMAND = re.compile(r"^(nuthatch|curl|redis-cli|systemctl|cargo xtask) ", re.M)
# In tables of figures: so many of them.
MEASURED = re.compile(r"x\d+")
needed = ("bash", "redis-server", "redis-cli", "nutcracker", "nats-server", "curl")


class Session:
    def __init__(self, page):
        self.page = page
        self.directory = tempfile.mkdtemp(prefix="nuthatch-page-")
        self.daemons = []
        programs = os.path.join(self.directory, ".programs")
        os.mkdir(programs)
        os.symlink(os.path.abspath(BINARY), os.path.join(programs, "nuthatch"))
        data = os.path.join(GOLDEN, "nsqd-data/a-clean-1/data")
        self.environment = {**os.environ, "PATH": f"{programs}:/usr/sbin:{os.environ['PATH']}", "NSQD_DATA": data}
        self.environment.pop("NUTHATCH_BIN", None)

    def fail(self, text, why):
        raise AssertionError(f"{self.page}: {why}\n{text}")

    def run(self, text):
        command = ["bash", "-euo", "pipefail", "-c", text]
        with open(os.path.join(self.directory, ".output"), "w+b") as output:
            # What a command leaves running keeps the file open, not a pipe.
            done = subprocess.run(
                command, cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=PATIENCE
            )
            output.seek(0)
            said = output.read().decode(errors="replace")
        if done.returncode != 0:
            self.fail(text, f"exit status {done.returncode}: {said}")

    def start(self, command, ports, text):
        log = open(os.path.join(self.directory, f".log-{ports[0]}"), "w+b")
        # Sockets listen before everything is served: a nuthatch is asked to tell, as systemd does.
        path = os.path.join(self.directory, f".notify-{ports[0]}")
        told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if os.path.exists(path):
            os.remove(path)
        told.bind(path)
        told.settimeout(PATIENCE)
        environment = {**self.environment, "NOTIFY_SOCKET": path}
        process = subprocess.Popen(
            command, cwd=self.directory, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        self.daemons.append((ports, process))
        end = time.monotonic() + PATIENCE
        for port in ports:
            while not listens(port):
                if process.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    self.fail(text, f"nobody listens at {port}: {log.read().decode(errors='replace')}")
                time.sleep(0.02)
        while "nuthatch" in text and b"READY=1" not in told.recv(4096):
            pass

    def stop(self, port):
        ports, process = next(daemon for daemon in self.daemons if port in daemon[0])
        self.daemons.remove((ports, process))
        process.send_signal(signal.SIGTERM)
        status = process.wait(PATIENCE)
        assert status == 0, f"{self.page}: the daemon at {port} ended with {status}"

    def block(self, word, what, kind, text):
        if word == "not run here":
            print(f"  not run here: {what}")
        elif word == "file" or kind in ("toml", "yaml"):
            name = what if word == "file" else f".block.{kind}"
            with open(os.path.join(self.directory, name), "w") as file:
                file.write(text)
            self.run(f"nuthatch check -c {name}")
        elif kind == "nats":
            with open(os.path.join(self.directory, ".block.nats"), "w") as file:
                file.write(text)
            self.run("nats-server -t -c .block.nats")
        elif word == "background":
            # The daemon takes the place of the shell, so that it gets the signal.
            is_plain = text.startswith(("nuthatch ", "nuthatch\n", "redis-server "))
            command = f"exec {text}" if is_plain else text
            self.start(["bash", "-c", command], [int(port) for port in what.split()], text)
        else:
            if word == "stop":
                self.stop(int(what))
            self.run(text)

    def end(self):
        for _, process in self.daemons:
            process.kill()
        # What was started in the background belongs to nobody else: these processes are the session's own namespace.
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != os.getpid() and os.getpid() == 1:
                try:
                    os.kill(int(name), signal.SIGKILL)
                except ProcessLookupError:
                    pass
        while True:
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                break
        shutil.rmtree(self.directory, ignore_errors=True)


def listens(port):
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex(("127.0.0.1", port)) == 0


def follow(page, text):
    blocks = [(match.groups(), match.start()) for match in BLOCK.finditer(text)]
    for (_, _, kind, block), at in blocks:
        if not kind and COMMAND.search(block) and page not in ELSEWHERE:
            line = text.count("\n", 0, at) + 1
            raise AssertionError(f"{page}:{line}: a block of commands that is not marked sh is not run")
    kinds = ("toml", "yaml") if page in ELSEWHERE else ("sh", "toml", "yaml", "nats")
    blocks = [groups for groups, _ in blocks if groups[2] in kinds]
    if not blocks:
        return 0
    session = Session(page)
    try:
        presumed = dict(PRESUMED.get(page, {}))
        command, ports = presumed.pop("run", None), presumed.pop("ports", None)
        for name, content in presumed.items():
            with open(os.path.join(session.directory, name), "w") as file:
                file.write(content)
        if command:
            session.start(command, ports, " ".join(command))
        for word, what, kind, block in blocks:
            session.block(word, what, kind, block)
    finally:
        session.end()
    return len(blocks)


def slug(heading):
    """The anchor of a heading, as GitHub makes it."""
    heading = re.sub(r"\[(.*?)\]\(.*?\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", heading).replace(" ", "-")


def anchors(text):
    text = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", text, re.M)} | set(re.findall(r'<a id="([^"]+)"', text))


def links(pages):
    """Relative links lead to files, and their anchors to headings."""
    wrong = []
    for page, text in pages.items():
        text = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
        text = re.sub(r"`[^`\n]*`", "", text)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"\w+:", target):
                continue
            path, _, anchor = target.partition("#")
            path = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
            if not os.path.exists(os.path.join(ROOT, path)):
                wrong.append(f"{page}: there is no {path}")
            elif anchor and path.endswith(".md") and anchor not in anchors(pages.get(path) or open(os.path.join(ROOT, path)).read()):
                wrong.append(f"{page}: {path} has no #{anchor}")
    assert not wrong, "\n".join(wrong)
    print(f"ok links of {len(pages)} pages")


def mentions(pages):
    """Commands and options that a text mentions are in the help."""
    wrong, helps = [], {}
    for page, text in pages.items():
        text = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
        for command, rest in re.findall(r"`nuthatch ([a-z][\w-]*(?: move)?)([^`]*)`", text):
            if MEASURED.fullmatch(command):
                continue
            if command not in helps:
                asked = [[BINARY, *command.split(), "--help"], [BINARY, "help", *command.split()]]
                helps[command] = [subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL) for words in asked]
            said = "\n".join(done.stdout + done.stderr for done in helps[command])
            if all(done.returncode for done in helps[command]):
                wrong.append(f"{page}: nuthatch {command}: there is no such command")
            for option in re.findall(r"(?<![\w-])--?([a-zA-Z][\w-]*)", rest):
                if not re.search(rf"(?<![\w-])--?{option}(?![\w-])", said):
                    wrong.append(f"{page}: nuthatch {command} has no {option}")
    assert not wrong, "\n".join(wrong)
    print(f"ok mentions of {len(helps)} commands")


def spelling(paths):
    typos = os.path.join(os.path.dirname(sys.executable), "typos")
    typos = typos if os.path.exists(typos) else shutil.which("typos")
    if not typos:
        print("SKIPPED: typos is not installed: spelling was not checked")
        return
    done = subprocess.run([typos, "--config", "tests/pages/typos.toml", "--format", "brief", *paths], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    print("ok spelling")


def main():
    found = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    pages = {page: open(os.path.join(ROOT, page)).read() for page in found if os.path.exists(os.path.join(ROOT, page))}
    if not os.environ.get("NUTHATCH_TEST_INSIDE"):
        links(pages)
        mentions(pages)
        spelling([*pages, "crates", "xtask", "contrib", "examples"])
        missing = [program for program in needed if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")]
        if missing:
            print(f"SKIPPED: commands of pages were not run: not installed: {', '.join(missing)}")
            return
        sys.stdout.flush()
    enter()
    mount("-t", "proc", "proc", "/proc")
    chosen = sys.argv[1:] or [page for page in pages if page.startswith(("docs/", "examples/", "contrib/")) or page == "README.md"]
    for page in chosen:
        start = time.monotonic()
        if count := follow(page, pages.get(page) or open(os.path.join(ROOT, page)).read()):
            print(f"ok {page}: {count} blocks, {time.monotonic() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
