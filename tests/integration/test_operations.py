"""Every command line of docs/operations.md, in its order, against a daemon that has what the page speaks of."""

import os
import re
import shutil
import signal
import subprocess

import pytest

import kit

# Commands that are not run here, each with its reason.
LEFT = {
    "systemctl": "needs systemd",
}
# Something that the output of a command says.
SAID = {
    "nuthatch check -c nuthatch.toml --against-running": "0 errors, 0 warnings",
    "nuthatch reload": "pool cache: timeout 5s -> 3s\nreloaded in",
    "nuthatch upgrade": "has taken over",
    "nuthatch server drain cache b": "pool cache: server b drained\n",
    "nuthatch server return cache b": "pool cache: server b returned\n",
    "nuthatch log-level debug": "log level debug\n",
}


def commands():
    """The lines of all blocks of `sh`. A line that ends with a backslash goes on in the next one."""
    text = (kit.ROOT / "docs/operations.md").read_text()
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```$", text, re.M | re.S)
    assert not re.search(r"^ *```\n *(nuthatch|mv|kill|systemctl) ", text, re.M), "a block of commands without `sh`"
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", "").splitlines()]
    return [line for line in lines if line]


@pytest.mark.needs("redis-server")
def test_every_command_line(stack):
    stores = {name: stack.keep(kit.start_redis(name, stack.path)) for name in "abc"}
    home = stack.path / "home"
    home.mkdir()
    shutil.copy(kit.BINARY, home / "nuthatch")
    cache, admin = kit.free_port(), kit.free_port()
    listed = [f"127.0.0.1:{store.port}:1 {name}" for name, store in stores.items()]
    conf, log = home / "nuthatch.toml", home / "log"
    text = (
        f'[log]\nfile = "{log}"\n[admin]\nlisten = "127.0.0.1:{admin}"\n'
        f'[pool.cache]\nlisten = "127.0.0.1:{cache}"\nservers = {listed}\n'
    )
    conf.write_text(text)
    first = subprocess.Popen([home / "nuthatch", "run", "-c", conf], cwd=home, stdout=subprocess.DEVNULL)
    kit.until(lambda: kit.accepts(cache) and kit.accepts(admin), "the daemon to listen")

    def stop():
        os.kill(kit.fetch(admin, "/api/status")[1]["process"]["pid"], signal.SIGTERM)
        first.wait(kit.STOP_SECONDS)
        kit.until(lambda: not kit.accepts(admin), "the end")

    stack.callback(stop)
    # What the page has edited.
    conf.write_text(text + 'timeout = "3s"\n')
    environment = {**os.environ, "PATH": f"{home}:{os.environ['PATH']}", "NUTHATCH_ADMIN": f"127.0.0.1:{admin}"}
    found, left = commands(), []
    for line in found:
        if line.split()[0] in LEFT:
            left.append(line)
            continue
        argv = ["sh", "-ec", line]
        done = subprocess.run(argv, cwd=home, env=environment, capture_output=True, text=True, timeout=kit.STOP_SECONDS)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}\n{log.read_text()[-2000:]}"
        assert "warning" not in done.stderr, f"{line}: {done.stderr}"
        assert SAID.get(line, "") in done.stdout, f"{line}: {done.stdout}"
    assert {*SAID} <= {*found}, "commands that the page does not have any more"
    print(f"{len(found) - len(left)} commands run, left: {left}")
    assert len(found) - len(left) >= 5, "the page has its commands in blocks of `sh`"
    status = kit.fetch(admin, "/api/status")[1]["configuration"]
    assert status["by_hand"] == [] and status["failure"] is None, "what the page does it also takes back"
