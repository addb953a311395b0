"""Users of the queue and of the admin port: pynsq and nsqjs log in with `user:password`, HTTP with basic or bearer, and no secret is in
anything that a daemon says."""

import asyncio
import base64
import hashlib
import json
import urllib.error
import urllib.request

import pytest

import kit
from test_nsq_clients import Client, nsq, until

pytestmark = pytest.mark.skipif(kit.IS_ORIGINAL, reason="the binary is nutcracker")

SECRETS = {"app": "s3cret-of-app", "eve": "s3cret-of-eve", "ops": "s3cret-of-ops"}
SLOW = "password"
ARGON2 = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
TRIED = "tried-in-vain"


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def configuration(directory, tcp, http, admin, publish="open*"):
    return f"""
[log]
level = "debug"
[queue]
tcp = "127.0.0.1:{tcp}"
http = "127.0.0.1:{http}"
data_path = "{directory}"
[admin]
listen = "127.0.0.1:{admin}"
[user.app]
password_sha256 = "{sha256(SECRETS['app'])}"
publish = ["{publish}"]
consume = ["open*:c", "open*:ack"]
[user.slow]
password_argon2 = "{ARGON2}"
publish = ["*"]
admin = "view"
[user.eve]
password_sha256 = "{sha256(SECRETS['eve'])}"
admin = "view"
[user.ops]
password_sha256 = "{sha256(SECRETS['ops'])}"
admin = "operate"
"""


def start(stack, name):
    """The binary; its ports are those of the queue, of its HTTP API and of the admin page."""
    def argv(*ports):
        file = stack.path / f"{name}.toml"
        file.write_text(configuration(stack.path / name, *ports))
        return [kit.BINARY, "run", "-c", file]
    return stack.keep(kit.start(name, 3, argv, stack.path))


@pytest.fixture(scope="module")
def daemon(stack):
    return start(stack, "queue-users")


def ask(port, path, name=None, secret=None, method="GET", bearer=None):
    """Status and text of an answer."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method,
                                     data=b"m" if method == "POST" else None)
    if name:
        login = f"{name}:{secret or SECRETS[name]}".encode()
        request.add_header("Authorization", "Basic " + base64.b64encode(login).decode())
    if bearer:
        request.add_header("Authorization", "Bearer " + bearer)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("secret", [f"app:{SECRETS['app']}", SECRETS["app"]])
def test_pynsq_logs_in(daemon, secret):
    async def scenario():
        got, topic = [], f"open-{len(secret)}"
        async with Client(daemon.port, auth_secret=secret) as client:
            await client.ready()
            assert await client.publish("pub", topic, b"hello") == b"OK"
            assert await client.publish("mpub", topic, [b"hello", b"hello"]) == b"OK"
            client.read(topic, "c", lambda message: got.append(message.body) or True)
            await until(lambda: len(got) == 3)
            refused = await client.publish("pub", "closed", b"hello")
            assert isinstance(refused, nsq.Error) and "E_UNAUTHORIZED" in str(refused), refused

    asyncio.run(scenario())


def test_pynsq_with_a_slow_password(daemon):
    async def scenario():
        async with Client(daemon.port, auth_secret=f"slow:{SLOW}") as client:
            await client.ready()
            assert await client.publish("pub", "any", b"hello") == b"OK"

    asyncio.run(scenario())


@pytest.mark.parametrize("secret", [f"app:{TRIED}", TRIED, f"slow:{TRIED}", f"{TRIED}:x"])
def test_pynsq_with_a_wrong_secret(daemon, secret):
    async def scenario():
        faults = []
        async with Client(daemon.port, auth_secret=secret) as client:
            client.writer._on_connection_error = lambda conn, error, **_: faults.append(str(error))
            await until(lambda: faults)
            assert not client.writer.conns
        assert "E_AUTH_FAILED" in faults[0], faults

    asyncio.run(scenario())


@pytest.mark.needs("node")
def test_nsqjs_logs_in(daemon):
    options = json.dumps({"authSecret": f"app:{SECRETS['app']}"})
    assert kit.node("nsqjs.js", daemon.port, "open-node", options).strip() == "ok"


@pytest.mark.needs("node")
def test_nsqjs_with_a_wrong_secret(daemon):
    said = kit.node("nsqjs.js", daemon.port, "open-node", json.dumps({"authSecret": f"app:{TRIED}"}))
    assert said.startswith("refused: "), said


def test_http_api(daemon):
    http = daemon.ports[1]
    assert ask(http, "/ping")[0] == 200
    assert ask(http, "/stats")[0] == 401
    assert ask(http, "/stats", "eve")[0] == 200
    assert ask(http, "/stats", bearer=SECRETS["eve"])[0] == 200
    assert ask(http, "/stats", "slow", SLOW)[0] == 200
    assert ask(http, "/stats", "app")[0] == 403
    assert ask(http, "/pub?topic=open", "app", method="POST") == (200, "OK")
    assert ask(http, "/pub?topic=closed", "app", method="POST")[0] == 403
    assert ask(http, "/pub?topic=open", "ops", method="POST")[0] == 403
    assert ask(http, "/topic/delete?topic=open", "eve", method="POST")[0] == 403
    assert ask(http, "/topic/delete?topic=open", "ops", method="POST")[0] == 200
    assert ask(http, "/stats", "eve", TRIED)[0] == 401
    assert ask(http, "/stats", bearer=TRIED)[0] == 401
    status, text = ask(http, "/config/auth_http_addresses", "eve")
    assert status == 200, text


def test_admin_port(daemon):
    admin = daemon.ports[2]
    for path in ("/health", "/ready", "/live"):
        assert ask(admin, path)[0] == 200
    for path in ("/", "/metrics", "/api/status"):
        assert [ask(admin, path)[0], ask(admin, path, "app")[0]] == [401, 403], path
        assert [ask(admin, path, name)[0] for name in ("eve", "ops")] == [200, 200], path
    reload = "/api/reload?dry_run=true"
    assert [ask(admin, reload, name, method="POST")[0] for name in (None, "app", "eve", "ops")] == [401, 403, 403, 200]
    assert ask(admin, "/", "eve", TRIED)[0] == 401


def test_a_reload_changes_rights(stack):
    daemon = start(stack, "reloaded-users")
    _, http, admin = daemon.ports
    assert ask(http, "/pub?topic=open", "app", method="POST") == (200, "OK")
    file = stack.path / "reloaded-users.toml"
    file.write_text(configuration(stack.path / "reloaded-users", *daemon.ports, publish="other"))
    status, text = ask(admin, "/api/reload", "ops", method="POST")
    assert status == 200 and "publish" in text, text
    assert ask(http, "/pub?topic=open", "app", method="POST")[0] == 403
    assert ask(http, "/pub?topic=other", "app", method="POST") == (200, "OK")


def test_secrets_are_in_nothing_that_is_shown(daemon):
    """Last: after all of the above."""
    _, http, admin = daemon.ports
    pages = [ask(admin, path, "ops")[1] for path in ("/", "/metrics", "/api/status")]
    pages += [ask(http, path, "ops")[1] for path in ("/stats", "/stats?format=json", "/info", "/config/log_level")]
    refusals = [ask(port, "/stats", "eve", TRIED)[1] for port in (http, admin)]
    metrics = pages[1]
    assert "nuthatch_queue_login_failures_total" in metrics and "nuthatch_http_login_failures_total" in metrics
    assert "login to the queue failed" in daemon.output() and "login over HTTP failed" in daemon.output()
    for text in [daemon.output(), *pages, *refusals]:
        for secret in (*SECRETS.values(), TRIED, *map(sha256, SECRETS.values()), "c29tZXNhbHQ", "nf65EOgL"):
            assert secret not in text
