"""TLS on both sides of a pool, and on the admin port: redis-cli, redis-py, openssl, a memcached client and curl, with certificates
that each run makes for itself."""

import json
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request

import pytest

import kit
from authority import Authority

redis = pytest.importorskip("redis")

pytestmark = [pytest.mark.needs("redis-server"), pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl")]

PASSWORD = "s3cret-of-tls"


@pytest.fixture(scope="module")
def secure_redis(stack, authority):
    """A redis-server that speaks TLS only, with clients that have a certificate."""
    cert, key = authority.issue("redis")

    def start():
        port = kit.free_port()
        argv = ["redis-server", "--port", 0, "--tls-port", port, "--save", "", "--requirepass", PASSWORD]
        argv += ["--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", authority.ca, "--tls-auth-clients", "yes"]
        return kit.Program("redis-tls", argv, [port], stack.path)

    program = start()
    assert program.is_ready(), program.output()
    stack.keep(program)
    return program


@pytest.fixture(scope="module")
def proxy(stack, authority, web, secure_redis):
    cert, key = web
    app_cert, app_key = authority.issue("app-1")
    plain, tls, admin = (kit.free_port() for _ in range(3))
    text = f"""
[pool.p]
listen = ["127.0.0.1:{plain}", {{ address = "127.0.0.1:{tls}", tls = true }}]
tls = {{ cert = "{cert}", key = "{key}", client_ca = "{authority.ca}", client_auth = "optional", client_names = ["app-*"] }}
server_tls = {{ ca = "{authority.ca}", cert = "{app_cert}", key = "{app_key}" }}
auth = "{PASSWORD}"
servers = ["127.0.0.1:{secure_redis.port}"]
[admin]
listen = "127.0.0.1:{admin}"
tls = {{ cert = "{cert}", key = "{key}" }}
"""
    return kit.start_configured(stack, "tls-proxy", text, [plain, tls, admin])


def client(proxy, authority, identity=None, **options):
    cert, key = identity or (None, None)
    return redis.Redis(
        port=proxy.ports[1], password=PASSWORD, ssl=True, ssl_ca_certs=str(authority.ca),
        ssl_certfile=cert and str(cert), ssl_keyfile=key and str(key), **options,
    )


def test_redis_py_and_large_values(proxy, authority):
    connection = client(proxy, authority)
    for length in [0, 1, 16_383, 16_384, 16_385, 3_000_000]:
        value = bytes(i % 251 for i in range(length))
        connection.set("k", value)
        assert connection.get("k") == value
    with connection.pipeline(transaction=False) as pipeline:
        for n in range(1000):
            pipeline.set(f"k{n}", n)
        pipeline.mget([f"k{n}" for n in range(1000)])
        assert pipeline.execute()[-1] == [b"%d" % n for n in range(1000)]
    # The plain listener of the same pool goes on.
    assert redis.Redis(port=proxy.ports[0], password=PASSWORD).get("k7") == b"7"


def test_a_transaction_is_answered_in_one_piece(proxy, authority):
    """Its first replies are on hold until the last one: a layer must not keep them, or send them twice."""
    with client(proxy, authority) as r, r.pipeline(transaction=True) as transaction:
        for n in range(50):
            transaction.set("counter", n).incr("counter").get("counter")
            assert transaction.execute() == [True, n + 1, str(n + 1).encode()]


def test_redis_cli(proxy, authority):
    words = ["redis-cli", "--tls", "--cacert", authority.ca, "-p", proxy.ports[1], "-a", PASSWORD, "--no-auth-warning", "PING"]
    assert subprocess.run(list(map(str, words)), capture_output=True, timeout=60).stdout == b"PONG\n"


def test_names_of_client_certificates(proxy, authority):
    assert client(proxy, authority, authority.issue("app-7")).ping()
    with pytest.raises(redis.RedisError):
        client(proxy, authority, authority.issue("else-1")).ping()
    strangers = Authority(authority.path, "strangers")
    with pytest.raises((redis.RedisError, OSError)):
        client(proxy, authority, strangers.issue("app-8")).ping()


def test_plain_text_at_a_tls_port_is_answered_in_words(proxy):
    def told():
        with socket.create_connection(("127.0.0.1", proxy.ports[1]), timeout=60) as connection:
            connection.sendall(b"*1\r\n$4\r\nPING\r\n")
            assert connection.makefile("rb").read() == b"-ERR this port speaks TLS only\r\n"
        return "it speaks plain text, not TLS" in proxy.output()

    # It is told once a second at most.
    assert kit.until(told, proxy.output)


def test_tls_at_a_plain_port_is_told(proxy, authority):
    context = ssl.create_default_context(cafile=str(authority.ca))

    def told():
        with socket.create_connection(("127.0.0.1", proxy.ports[0]), timeout=60) as connection:
            with pytest.raises(ssl.SSLError):
                context.wrap_socket(connection, server_hostname="localhost")
        return "it speaks TLS at a listener without it" in proxy.output()

    assert kit.until(told, proxy.output)


def test_sessions_are_resumed(proxy, authority):
    context = ssl.create_default_context(cafile=str(authority.ca))

    def handshake(session=None):
        connection = socket.create_connection(("127.0.0.1", proxy.ports[1]), timeout=60)
        with context.wrap_socket(connection, server_hostname="localhost", session=session) as secured:
            secured.sendall(b"*1\r\n$4\r\nPING\r\n")
            secured.recv(100)
            return secured.session, secured.session_reused

    session, reused = handshake()
    assert not reused
    assert handshake(session)[1]


def test_the_admin_port_speaks_https(proxy, authority):
    context = ssl.create_default_context(cafile=str(authority.ca))
    with urllib.request.urlopen(f"https://localhost:{proxy.ports[2]}/metrics", context=context, timeout=60) as answer:
        metrics = answer.read().decode()
    # The tests above have moved them.
    for name in ["handshakes", "resumed", "failures"]:
        assert f'nuthatch_pool_tls_{name}_total{{pool="p"}} 0\n' not in metrics
        assert f'nuthatch_pool_tls_{name}_total{{pool="p"}} ' in metrics


def test_the_doctor_asks_servers_over_tls(stack, authority, secure_redis):
    cert, key = authority.issue("app-doctor")
    conf = stack.path / "doctor.toml"

    def servers(password, ca):
        conf.write_text(f"""
[pool.p]
listen = "127.0.0.1:0"
server_tls = {{ ca = "{ca}", cert = "{cert}", key = "{key}" }}
auth = "{password}"
servers = ["127.0.0.1:{secure_redis.port}:1 s"]
""")
        done = subprocess.run([kit.BINARY, "doctor", "--json", "-c", conf], capture_output=True, text=True, timeout=60)
        (found,) = [row for row in json.loads(done.stdout) if row["check"] == "servers"]
        return found["level"], found["text"]

    level, text = servers(PASSWORD, authority.ca)
    assert level == "ok" and text.startswith("[pool.p] s: redis "), text
    level, text = servers("wrong", authority.ca)
    assert level == "error" and "login refused: -WRONGPASS" in text, text
    level, text = servers(PASSWORD, Authority(stack.path, "others-doctor").ca)
    assert level == "error" and "does not answer: TLS: " in text, text


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("authority", "has a certificate of an authority that is not trusted here"),
        ("name", "has a certificate for another name"),
        ("certificate", "refused the TLS connection"),
    ],
)
def test_servers_that_do_not_fit(stack, authority, secure_redis, case, reason):
    others = Authority(stack.path, f"others-{case}")
    cert, key = authority.issue(f"app-{case}")
    ca = others.ca if case == "authority" else authority.ca
    name = ', server_name = "else.internal"' if case == "name" else ""
    ours = "" if case == "certificate" else f', cert = "{cert}", key = "{key}"'
    port = kit.free_port()
    text = f"""
[pool.p]
listen = "127.0.0.1:{port}"
server_tls = {{ ca = "{ca}"{name}{ours} }}
auth = "{PASSWORD}"
servers = ["127.0.0.1:{secure_redis.port}"]
"""
    program = kit.start_configured(stack, f"tls-{case}", text, [port])
    with pytest.raises(redis.RedisError):
        redis.Redis(port=port, password=PASSWORD, retry=None).get("k")
    assert kit.until(lambda: reason in program.output(), program.output)


def test_no_password_reaches_a_server_without_tls(stack, authority):
    """It answers, or it does not; it never sees more than a handshake."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = kit.free_port()
        text = f"""
[pool.p]
listen = "127.0.0.1:{port}"
server_tls = {{ ca = "{authority.ca}" }}
auth = "{PASSWORD}"
timeout = "2s"
servers = ["127.0.0.1:{server.getsockname()[1]}"]
"""
        program = kit.start_configured(stack, "tls-plain-server", text, [port])
        asking = redis.Redis(port=port, password=PASSWORD, retry=None)
        with kit.ThreadPoolExecutor() as threads:
            answer = threads.submit(asking.get, "k")
            connection, _ = server.accept()
            connection.settimeout(60)
            seen = connection.recv(65536)
            connection.sendall(b"-ERR unknown command\r\n")
            while more := connection.recv(65536):
                seen += more
            with pytest.raises(redis.RedisError, match="plain text"):
                answer.result()
        assert seen[0] == 0x16 and PASSWORD.encode() not in seen
        assert kit.until(lambda: "speaks plain text, not TLS" in program.output(), program.output)


def test_certificates_that_expire_are_told(stack, authority):
    """In the log, by check, on the admin port."""
    (soon, soon_key), (over, over_key) = authority.issue("soon", days=(-300, 6)), authority.issue("over", days=(-300, -2))
    port, admin = kit.free_port(), kit.free_port()
    text = f"""
[pool.p]
listen = "127.0.0.1:{port}"
tls = {{ cert = "{over}", key = "{over_key}", client_ca = "{authority.ca}" }}
server_tls = {{ ca = "{authority.ca}", cert = "{soon}", key = "{soon_key}" }}
servers = ["127.0.0.1:1"]
[admin]
listen = "127.0.0.1:{admin}"
tls = {{ cert = "{soon}", key = "{soon_key}" }}
[queue]
tcp = "127.0.0.1:0"
http = "127.0.0.1:0"
tls_cert = "{soon}"
tls_key = "{soon_key}"
data_path = "{stack.path}"
"""
    program = kit.start_configured(stack, "tls-expiry", text, [port, admin])
    faults = [
        ("pool p", f"tls.cert {over} has expired 2 days ago: it is refused"),
        ("pool p", f"server_tls.cert {soon} expires in 6 days"),
        ("admin port", f"tls.cert {soon} expires in 6 days"),
        ("queue", f"tls_cert {soon} expires in 6 days"),
    ]
    check = [kit.BINARY, "check", "-c", stack.path / "tls-expiry.toml"]
    checked = subprocess.run(check, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0 and "0 errors, 4 warnings" in checked.stdout
    context = ssl.create_default_context(cafile=str(authority.ca))

    def fetch(path):
        with urllib.request.urlopen(f"https://localhost:{admin}{path}", context=context, timeout=60) as answer:
            return answer.read().decode()

    troubles = {(trouble["subject"], trouble["text"]) for trouble in json.loads(fetch("/api/status"))["troubles"]}
    for subject, fault in faults:
        assert f"warning: {subject}: {fault}\n" in checked.stdout
        assert kit.until(lambda: fault in program.output(), program.output)
        assert (subject, fault) in troubles
    ends = {}
    for line in fetch("/metrics").splitlines():
        if line.startswith("nuthatch_certificate_expiry_time_seconds{"):
            labels, value = line.rsplit(" ", 1)
            ends[labels.split("{")[1]] = float(value) - time.time()
    label = f'pool="p",side="clients",option="tls.cert",file="{over}"}}'
    assert -2.1 < ends[label] / 86_400 < -1.9
    assert 5.9 < ends[f'pool="",side="queue",option="tls_cert",file="{soon}"}}'] / 86_400 < 6
    authorities = f'pool="p",side="clients",option="tls.client_ca",file="{authority.ca}"}}'
    assert 89 < ends[authorities] / 86_400 < 90
    # Who verifies it refuses it.
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            context.wrap_socket(connection, server_hostname="localhost")


def test_memcached_over_tls(stack, web, authority):
    cert, key = web
    port = kit.free_port()
    text = f"""
[pool.m]
protocol = "memcache"
listen = "127.0.0.1:{port}"
tls = {{ cert = "{cert}", key = "{key}", min_version = "tls1.3" }}
servers = ["local"]
"""
    kit.start_configured(stack, "tls-memcache", text, [port])
    context = ssl.create_default_context(cafile=str(authority.ca))
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    with context.wrap_socket(connection, server_hostname="localhost") as secured:
        assert secured.version() == "TLSv1.3"
        answers = secured.makefile("rb")
        secured.sendall(b"set k 0 0 1\r\nx\r\nget k\r\n")
        assert [answers.readline() for _ in range(4)] == [b"STORED\r\n", b"VALUE k 0 1\r\n", b"x\r\n", b"END\r\n"]
