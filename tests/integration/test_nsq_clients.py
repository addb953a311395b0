"""NSQ clients as people use them: pynsq and nsqjs, through the binary as nsqd, in the clear, under TLS, snappy and deflate, and with
an authorization server."""

import asyncio
import json
import ssl
import subprocess
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import kit
import nats

nsq = pytest.importorskip("nsq")

pytestmark = pytest.mark.skipif(kit.IS_ORIGINAL, reason="the binary is nutcracker")

SECONDS = 60
SECRET = "open sesame"
TLS = {"tls_v1": True, "tls_options": {"cert_reqs": ssl.CERT_NONE}}
PYTHON_LAYERS = {
    "plain": {},
    "tls": TLS,
    "snappy": {"snappy": True},
    "deflate": {"deflate": True},
    "tls-snappy": {**TLS, "snappy": True},
    "tls-deflate": {**TLS, "deflate": True},
}
NODE_TLS = {"tls": True, "tlsVerification": False}
NODE_LAYERS = {
    "plain": {},
    "tls": NODE_TLS,
    "snappy": {"snappy": True},
    "deflate": {"deflate": True},
    "tls-snappy": {**NODE_TLS, "snappy": True},
    "tls-deflate": {**NODE_TLS, "deflate": True},
}


@pytest.fixture(scope="module", params=["local", "engine"])
def nsqd(stack, request):
    """An nsqd that offers TLS, with topics of its own or on an engine."""
    if kit.missing("openssl"):
        pytest.skip("openssl is not installed")
    cert, key = stack.path / "cert.pem", stack.path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*made, "-keyout", key, "-out", cert], check=True, capture_output=True)
    if request.param == "local":
        return stack.keep_proxy(kit.start_nsqd(stack.path, f"--tls-cert={cert}", f"--tls-key={key}"))
    if kit.missing(nats.SERVER):
        pytest.skip(f"{nats.SERVER} is not installed")
    server = stack.keep(nats.start_nats(stack))
    queue = f'https = "127.0.0.1:{kit.free_port()}"\ntls_cert = "{cert}"\ntls_key = "{key}"'
    return stack.keep_proxy(nats.start_node(stack, "engine", [f"127.0.0.1:{server.port}"], queue=queue))


class Authority(BaseHTTPRequestHandler):
    """Lets in who knows the secret, to topics that begin with `open`."""

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        known = query.get("secret") == [SECRET]
        grants = [{"topic": "open.*", "channels": [".*"], "permissions": ["subscribe", "publish"]}]
        answer = {"ttl": 3600, "identity": "tester", "identity_url": "http://localhost", "authorizations": grants}
        body = json.dumps(answer if known else {"message": "NOT_AUTHORIZED"}).encode()
        self.send_response(200 if known else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def guarded(stack):
    """An nsqd that asks an authority."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Authority)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stack.callback(server.shutdown)
    address = f"--auth-http-address=127.0.0.1:{server.server_port}"
    return stack.keep_proxy(kit.start_nsqd(stack.path, address, name="guarded"))


async def until(condition):
    """Waits until something holds."""
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


class Client:
    """A writer and readers of pynsq, closed at the end."""

    def __init__(self, port, **options):
        self.address, self.options = f"127.0.0.1:{port}", options
        self.writer = nsq.Writer([self.address], **options)
        self.readers = []

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        for conn in list(self.writer.conns.values()):
            conn.close()
        for reader in self.readers:
            reader.close()

    async def ready(self):
        await until(lambda: self.writer.conns)

    async def publish(self, command, *arguments):
        """The answer to a publication."""
        answer = asyncio.get_running_loop().create_future()
        getattr(self.writer, command)(*arguments, callback=lambda _, data: answer.done() or answer.set_result(data))
        async with asyncio.timeout(SECONDS):
            return await answer

    def read(self, topic, channel, handler, **options):
        reader = nsq.Reader(
            message_handler=handler,
            topic=topic,
            channel=channel,
            nsqd_tcp_addresses=[self.address],
            max_in_flight=10,
            lookupd_poll_interval=1,
            **{**self.options, **options},
        )
        self.readers.append(reader)


@pytest.mark.parametrize("layer", PYTHON_LAYERS)
def test_pynsq_publishes_and_consumes(nsqd, layer):
    async def scenario():
        topic, got = f"python-{layer}", []
        large = bytes(range(256)) * 2000

        def handler(message):
            got.append(message.body)
            return True

        async with Client(nsqd.port, **PYTHON_LAYERS[layer]) as client:
            await client.ready()
            assert await client.publish("pub", topic, b"one") == b"OK"
            assert await client.publish("mpub", topic, [b"%d" % n for n in range(200)]) == b"OK"
            assert await client.publish("pub", topic, large) == b"OK"
            assert await client.publish("dpub", topic, 150, b"later") == b"OK"
            client.read(topic, "c", handler)
            await until(lambda: len(got) >= 203)
        assert sorted(got) == sorted([b"one", large, b"later", *(b"%d" % n for n in range(200))])

    asyncio.run(scenario())


@pytest.mark.parametrize("layer", PYTHON_LAYERS)
def test_pynsq_requeues_touches_and_times_out(nsqd, layer):
    """Two topics: only where a delivery is to time out may it, however slow this machine is."""

    async def scenario():
        topic, hasty, got = f"python-again-{layer}", f"python-left-{layer}", []

        def handler(message):
            got.append((message.body, message.attempts))
            if message.attempts == 1 and message.body == b"requeued":
                message.enable_async()
                message.requeue(backoff=False, time_ms=100)
            elif message.attempts == 1 and message.body == b"left":
                message.enable_async()
                return None
            elif message.body == b"touched":
                message.touch()
            return True

        async with Client(nsqd.port, **PYTHON_LAYERS[layer]) as client:
            await client.ready()
            assert await client.publish("mpub", topic, [b"requeued", b"touched"]) == b"OK"
            assert await client.publish("pub", hasty, b"left") == b"OK"
            client.read(topic, "c", handler)
            client.read(hasty, "c", handler, msg_timeout=1)
            expected = {(b"left", 1), (b"left", 2), (b"requeued", 1), (b"requeued", 2), (b"touched", 1)}
            await until(lambda: expected <= set(got))
        assert sorted(one for one in got if one[0] != b"left") == sorted(one for one in expected if one[0] != b"left")

    asyncio.run(scenario())


def test_pynsq_with_the_secret(guarded):
    async def scenario():
        got = []
        async with Client(guarded.port, auth_secret=SECRET) as client:
            await client.ready()
            assert await client.publish("pub", "open-topic", b"hello") == b"OK"
            client.read("open-topic", "c", lambda message: got.append(message.body) or True)
            await until(lambda: got)
            refused = await client.publish("pub", "closed-topic", b"hello")
            assert isinstance(refused, nsq.Error) and "E_UNAUTHORIZED" in str(refused), refused
        assert got == [b"hello"]

    asyncio.run(scenario())


def test_pynsq_with_a_wrong_secret(guarded):
    async def scenario():
        faults = []
        async with Client(guarded.port, auth_secret="guess") as client:
            client.writer._on_connection_error = lambda conn, error, **_: faults.append(str(error))
            await until(lambda: faults)
            assert not client.writer.conns
        assert "E_UNAUTHORIZED" in faults[0] or "E_AUTH_FAILED" in faults[0], faults

    asyncio.run(scenario())


@pytest.mark.needs("node")
@pytest.mark.parametrize("layer", NODE_LAYERS)
def test_nsqjs(nsqd, layer):
    assert kit.node("nsqjs.js", nsqd.port, f"node-{layer}", json.dumps(NODE_LAYERS[layer])).strip() == "ok"


@pytest.mark.needs("node")
def test_nsqjs_with_the_secret(guarded):
    assert kit.node("nsqjs.js", guarded.port, "open-node", json.dumps({"authSecret": SECRET})).strip() == "ok"


@pytest.mark.needs("node")
def test_nsqjs_with_a_wrong_secret(guarded):
    said = kit.node("nsqjs.js", guarded.port, "open-node", json.dumps({"authSecret": "guess"}))
    assert said.startswith("refused: "), said
