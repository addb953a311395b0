"""`watch_config`: a file that an orchestrator puts into place is read again by itself, however it is done, and half of one is not taken."""

import os
import re

import pytest

import kit

LINES = """watch_config = {watch}
[log]
file = "{home}/log"
[admin]
listen = "127.0.0.1:{admin}"
[pool.cache]
listen = "127.0.0.1:{port}"
servers = ["local"]
timeout = "{timeout}"
{more}"""


class Scene:
    """A daemon whose file is `conf`. `written` counts versions: each has a timeout of its own, which says which one is in force."""

    def __init__(self, stack, name):
        self.home = stack.path / name
        self.home.mkdir()
        self.conf = self.home / "nuthatch.toml"
        self.ports = [kit.free_port(), kit.free_port()]
        self.version = 0

    def text(self, more="", watch="true"):
        """The text of the next version."""
        self.version += 1
        admin, port = self.ports
        return LINES.format(home=self.home, admin=admin, port=port, timeout=f"{self.version}s", more=more, watch=watch)

    def start(self, stack):
        self.program = stack.keep_proxy(kit.Program("watched", [kit.BINARY, "run", "-c", self.conf], self.ports, self.home))
        assert self.program.is_ready(), self.program.output()

    def log(self):
        return (self.home / "log").read_text()

    def wait_for(self, line):
        kit.until(lambda: line in self.log(), lambda: f"{line} in\n{self.log()}")

    def takes_it(self):
        """The version that was written last comes into force."""
        self.wait_for(f"pool cache: timeout {self.version - 1}s -> {self.version}s\n")

    def fails(self, reason):
        """The version that was written last is refused, and the one before stays."""
        kit.until(lambda: re.search(f"ERROR.*{re.escape(reason)}", self.log()), lambda: f"{reason} in\n{self.log()}")
        assert f"-> {self.version}s\n" not in self.log()


@pytest.fixture
def scene(stack, request):
    return Scene(stack, request.node.name)


def test_rewritten_in_place(stack, scene):
    scene.conf.write_text(scene.text())
    scene.start(stack)
    scene.conf.write_text(scene.text())
    scene.takes_it()


def test_renamed_over(stack, scene):
    scene.conf.write_text(scene.text())
    scene.start(stack)
    for _ in range(2):
        new = scene.home / "new"
        new.write_text(scene.text())
        new.rename(scene.conf)
        scene.takes_it()


def test_links_swapped_as_kubernetes_does(stack, scene):
    def put(n):
        (scene.home / f"..{n}").mkdir()
        (scene.home / f"..{n}" / "nuthatch.toml").write_text(scene.text())
        (scene.home / "..data_tmp").symlink_to(f"..{n}")
        (scene.home / "..data_tmp").rename(scene.home / "..data")

    put(1)
    scene.conf.symlink_to("..data/nuthatch.toml")
    scene.start(stack)
    for n in (2, 3):
        put(n)
        scene.takes_it()
        # What was swapped out is removed.
        (scene.home / f"..{n - 1}" / "nuthatch.toml").unlink()
        (scene.home / f"..{n - 1}").rmdir()


def test_half_a_file_is_not_taken(stack, scene):
    scene.conf.write_text(scene.text())
    scene.start(stack)
    text = scene.text()
    half = text.rindex('s"')
    scene.conf.write_text(text[:half])
    scene.fails("error: ")
    with open(scene.conf, "a") as rest:
        rest.write(text[half:])
    scene.wait_for(f"-> {scene.version}s\n")
    # The first failed, and with it the file's next change was taken.
    assert scene.log().count("configuration reloaded") == 1, scene.log()


def test_no_file_for_a_while(stack, scene):
    scene.conf.write_text(scene.text())
    scene.start(stack)
    scene.conf.unlink()
    scene.fails("No such file")
    scene.conf.write_text(scene.text())
    scene.takes_it()


def test_a_secret_of_its_own_file(stack, scene):
    secret = scene.home / "secret"
    secret.write_text("one\n")
    secret.chmod(0o600)
    port = kit.free_port()
    more = f'[pool.guarded]\nlisten = "127.0.0.1:{port}"\nservers = ["local"]\nauth_file = "{secret}"\n'
    scene.conf.write_text(scene.text(more))
    scene.start(stack)
    new = scene.home / "new"
    new.write_text("two\n")
    new.chmod(0o600)
    new.rename(secret)
    scene.wait_for("configuration reloaded generation=2")
    with kit.Wire(port) as client:
        client.send(b"AUTH one\r\n")
        assert client.line().startswith(b"-")
        client.ask(b"AUTH two\r\n", b"+OK\r\n")


def test_a_file_that_is_named_before_it_is_there(stack, scene):
    """Two volumes of an orchestrator: the configuration may come before its secret."""
    scene.conf.write_text(scene.text())
    scene.start(stack)
    secret = scene.home / "secret"
    more = f'[pool.guarded]\nlisten = "127.0.0.1:{kit.free_port()}"\nservers = ["local"]\nauth_file = "{secret}"\n'
    scene.conf.write_text(scene.text(more))
    scene.fails(str(secret))
    os.close(os.open(secret, os.O_CREAT, 0o600))
    secret.write_text("one\n")
    scene.takes_it()


def test_watching_begins_and_ends_with_a_reload(stack, scene):
    scene.conf.write_text(scene.text(watch="false"))
    scene.start(stack)
    scene.conf.write_text(scene.text(watch="true"))
    assert kit.fetch(scene.ports[0], "/api/reload", "POST")[1]["ok"]
    scene.takes_it()
    scene.conf.write_text(scene.text(watch="false"))
    scene.takes_it()
    # From here on only when it is told.
    scene.conf.write_text(scene.text(watch="false"))
    told = scene.log().count("configuration changed")
    assert kit.fetch(scene.ports[0], "/api/reload", "POST")[1]["ok"]
    scene.takes_it()
    assert scene.log().count("configuration changed") == told
