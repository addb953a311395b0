"""TLS with clients as they are: ioredis, openssl s_client, pymemcache and memcached itself; certificates of clients; sessions that are
resumed on both sides; certificates that are changed under load; who speaks TLS to who does not."""

import contextlib
import hashlib
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest

import kit
from authority import Authority

redis = pytest.importorskip("redis")
pymemcache = pytest.importorskip("pymemcache")

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl")

PASSWORD = "s3cret-of-tls"
PING, PONG = b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n"


def pool(stack, name, lines, ports):
    return kit.start_configured(stack, name, "[pool.p]\n" + "\n".join(lines) + "\n", ports)


def tls(web, **more):
    cert, key = web
    return "tls = { " + ", ".join(f'{name} = "{value}"' for name, value in {"cert": cert, "key": key, **more}.items()) + " }"


def context_of(authority, identity=None, version=None):
    context = ssl.create_default_context(cafile=str(authority.ca))
    if identity:
        context.load_cert_chain(*identity)
    if version:
        context.minimum_version = context.maximum_version = version
    return context


@contextlib.contextmanager
def secured(port, context, session=None):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        with context.wrap_socket(connection, server_hostname="localhost", session=session) as client:
            yield client


def ask(client, request=PING, length=len(PONG)):
    client.sendall(request)
    answer = b""
    while len(answer) < length and (more := client.recv(length - len(answer))):
        answer += more
    return answer


@pytest.fixture(scope="module")
def embedded(stack, web):
    """A pool of Redis and one of memcached over the embedded cache, both with TLS."""
    redis_port, memcache_port = kit.free_port(), kit.free_port()
    lines = [f'listen = "127.0.0.1:{redis_port}"', tls(web), 'servers = ["local"]']
    more = ["[pool.m]", 'protocol = "memcache"', f'listen = "127.0.0.1:{memcache_port}"', tls(web), 'servers = ["local"]']
    return pool(stack, "tls-embedded", lines + more, [redis_port, memcache_port])


@pytest.mark.needs("node")
def test_ioredis(embedded, authority):
    assert kit.node("ioredis_tls.js", embedded.ports[0], authority.ca).strip() == "ok"


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_s_client(embedded, authority, version):
    argv = ["openssl", "s_client", "-connect", f"localhost:{embedded.ports[0]}", "-CAfile", authority.ca, "-verify_return_error"]
    client = subprocess.Popen(
        [*map(str, argv), "-quiet", version], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    client.stdin.write(b"SET s client\r\nGET s\r\nQUIT\r\n")
    client.stdin.flush()
    out, err = client.communicate(timeout=60)
    assert out == b"+OK\r\n$6\r\nclient\r\n+OK\r\n", err


def test_versions_before_1_2_are_refused(embedded, authority):
    argv = ["openssl", "s_client", "-connect", f"localhost:{embedded.ports[0]}", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    assert done.returncode != 0 and "alert" in done.stderr


def test_pymemcache(embedded, authority):
    address = ("localhost", embedded.ports[1])
    client = pymemcache.Client(address, tls_context=context_of(authority), timeout=60, connect_timeout=60)
    assert client.set("k", b"v" * 100_000, noreply=False)
    assert client.get("k") == b"v" * 100_000
    values = {f"k{n}": b"%d" % n for n in range(500)}
    assert client.set_many(values, noreply=False) == []
    assert client.get_many(values) == values
    client.quit()


def test_required_certificates(stack, authority, web):
    port = kit.free_port()
    certificates = tls(web, client_ca=authority.ca, client_auth="required")
    program = pool(stack, "tls-required", [f'listen = "127.0.0.1:{port}"', certificates, 'servers = ["local"]'], [port])
    with secured(port, context_of(authority, authority.issue("somebody"))) as client:
        assert ask(client) == PONG
    strangers = Authority(stack.path, "strangers-required")
    late, early = authority.issue("late", days=(-9, -1)), authority.issue("early", days=(1, 9))
    cases = [
        (None, "sent no certificate"),
        (strangers.issue("stranger"), "has a certificate of an authority that is not trusted here"),
        (late, "has a certificate that has expired"),
        (early, "has a certificate that is not valid yet"),
    ]
    for version in [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]:
        for identity, reason in cases:
            before = program.output().count(reason)

            def told(identity=identity, version=version, reason=reason, before=before):
                # With TLS 1.3 the client has done its part before it is refused.
                with pytest.raises(OSError), secured(port, context_of(authority, identity, version)) as client:
                    assert ask(client) == b""
                    raise ConnectionResetError("closed before any answer")
                return program.output().count(reason) > before

            # It is told once a second at most.
            assert kit.until(told, program.output), reason


def test_optional_certificates_log_users_in(stack, authority, web):
    """A certificate is a login; without one there is the password; a resumed session is who it was."""
    port = kit.free_port()
    lines = [
        f'listen = "127.0.0.1:{port}"',
        tls(web, client_ca=authority.ca, client_auth="optional"),
        'servers = ["local"]',
        "[user.app]",
        'certificate = "app-*"',
        'pools = ["p"]',
        'commands = ["+@all", "-del"]',
        "[user.ops]",
        f'password_sha256 = ["{hashlib.sha256(PASSWORD.encode()).hexdigest()}"]',
        'pools = ["p"]',
        'commands = ["+@all"]',
    ]
    pool(stack, "tls-users", lines, [port])
    noauth = b"-NOAUTH Authentication required.\r\n"
    whoami = b"*2\r\n$3\r\nACL\r\n$6\r\nWHOAMI\r\n"
    for version in [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]:
        app = context_of(authority, authority.issue("app-1"), version)
        session = None
        for resumed in [False, True, True]:
            with secured(port, app, session) as client:
                assert ask(client, whoami, 9) == b"$3\r\napp\r\n"
                assert client.session_reused == resumed
                session = client.session
                assert ask(client, b"*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n", 7) == b"-NOPERM"
        for identity in [None, authority.issue("else")]:
            with secured(port, context_of(authority, identity, version)) as client:
                assert ask(client, PING, len(noauth)) == noauth
                login = b"*3\r\n$4\r\nAUTH\r\n$3\r\nops\r\n$%d\r\n%s\r\n" % (len(PASSWORD), PASSWORD.encode())
                assert ask(client, login, 5) == b"+OK\r\n"
                assert ask(client, whoami, 9) == b"$3\r\nops\r\n"


def test_a_session_of_one_pool_is_none_of_another(stack, authority, web):
    """Its ticket would carry a certificate that the other has never verified."""
    loose, strict = kit.free_port(), kit.free_port()
    strangers = Authority(stack.path, "strangers-ticket")
    lines = [f'listen = "127.0.0.1:{loose}"', tls(web, client_ca=strangers.ca), 'servers = ["local"]']
    more = ["[pool.q]", f'listen = "127.0.0.1:{strict}"', tls(web, client_ca=authority.ca), 'servers = ["local"]']
    pool(stack, "tls-two", lines + more, [loose, strict])
    context = context_of(authority, strangers.issue("guest"))
    with secured(loose, context) as client:
        assert ask(client) == PONG
        session = client.session
    with secured(loose, context, session) as client:
        assert client.session_reused and ask(client) == PONG
    with pytest.raises(OSError), secured(strict, context, session) as client:
        assert ask(client) == b""
        raise ConnectionResetError("closed before any answer")


class TlsServer(threading.Thread):
    """A server of Redis that knows PING alone. It notes which handshakes were resumed, and hangs up after each reply."""

    def __init__(self, identity, version):
        super().__init__(daemon=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = self.context.maximum_version = version
        self.context.load_cert_chain(*identity)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.resumed = []
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with self.context.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(4096)
                    secured.sendall(b"$1\r\nv\r\n")
                    self.resumed.append(secured.session_reused)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_with_servers_are_resumed(stack, authority, version):
    server = TlsServer(authority.issue(f"server-{version.name}"), version)
    port = kit.free_port()
    lines = [f'listen = "127.0.0.1:{port}"', f'server_tls = {{ ca = "{authority.ca}" }}', f'servers = ["127.0.0.1:{server.port}"]']
    kit.start_configured(stack, f"tls-resumed-{version.name}", "threads = 1\n[pool.p]\n" + "\n".join(lines) + "\n", [port])
    with kit.Wire(port) as client:
        for n in range(5):
            client.ask(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", b"$1\r\nv\r\n")
            assert kit.until(lambda: len(server.resumed) > n, lambda: str(server.resumed))
    assert server.resumed == [False, True, True, True, True]


def test_certificates_are_changed_under_load(stack, authority):
    """Clients that are there go on; those that come see the new one; none meets an error."""
    port, admin = kit.free_port(), kit.free_port()
    cert, key = authority.issue("first")
    text = f"""
[pool.p]
listen = "127.0.0.1:{port}"
tls = {{ cert = "{cert}", key = "{key}" }}
servers = ["local"]
[admin]
listen = "127.0.0.1:{admin}"
"""
    kit.start_configured(stack, "tls-rotation", text, [port, admin])
    context, done, errors, count = context_of(authority), threading.Event(), [], [0]

    def come_and_go():
        try:
            while not done.is_set():
                with secured(port, context) as client:
                    for _ in range(20):
                        assert ask(client) == PONG
                        count[0] += 1
        except Exception as error:
            errors.append(error)

    def shown():
        with secured(port, context) as client:
            return dict(pair[0] for pair in client.getpeercert()["subject"])["commonName"]

    def reload():
        argv = [kit.BINARY, "reload", "--address", f"127.0.0.1:{admin}"]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60)

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    with secured(port, context) as stays:
        for thread in threads:
            thread.start()
        assert ask(stays) == PONG
        session = stays.session
        assert reload().returncode == 0
        with secured(port, context, session) as client:
            assert client.session_reused and ask(client) == PONG, "a reload that changes no file keeps sessions"
            session = client.session
        for n in range(10):
            assert ask(stays) == PONG
            before = shown()
            new_cert, new_key = authority.issue(f"rotated-{n}")
            new_key.rename(key)
            new_cert.rename(cert)
            assert shown() == before, "nothing changes before the reload"
            ended = reload()
            assert ended.returncode == 0, ended.stderr
            assert shown() == f"rotated-{n}"
            with secured(port, context, session) as client:
                assert not client.session_reused and ask(client) == PONG
        # A file that cannot be used changes nothing.
        cert.write_text("no certificate")
        ended = reload()
        assert ended.returncode != 0 and f"[pool.p]: tls: cert {cert}: no usable certificate" in ended.stderr + ended.stdout
        assert shown() == "rotated-9"
        seen = count[0]
        assert kit.until(lambda: count[0] > seen + 100 or errors, lambda: f"{count} {errors}")
        done.set()
        for thread in threads:
            thread.join()
        assert ask(stays) == PONG
    assert not errors


@pytest.mark.parametrize("answer", ["alert", "close"])
def test_a_plain_pool_at_a_server_with_tls(stack, answer):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = kit.free_port()
        lines = [f'listen = "127.0.0.1:{port}"', 'timeout = "5s"', f'servers = ["127.0.0.1:{server.getsockname()[1]}"]']
        program = pool(stack, f"plain-pool-{answer}", lines, [port])

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    connection.recv(4096)
                    if answer == "alert":
                        connection.sendall(b"\x15\x03\x01\0\x02\x02\x46")
                    connection.close()

        threading.Thread(target=serve, daemon=True).start()
        match = "the server speaks TLS, which the pool does not" if answer == "alert" else "unknown"
        with pytest.raises(redis.RedisError, match=match):
            redis.Redis(port=port, retry=None).get("k")
        told = "server speaks TLS" if answer == "alert" else "it has never answered: if it speaks TLS, the pool needs server_tls"
        assert kit.until(lambda: told in program.output(), program.output)


@pytest.mark.needs("memcached")
def test_memcached_with_tls_as_server(stack, authority):
    if "--enable-ssl" not in subprocess.run(["memcached", "-h"], capture_output=True, text=True, timeout=60).stdout:
        pytest.skip("this memcached has no TLS")
    cert, key = authority.issue("memcached")

    def argv(port):
        files = f"ssl_chain_cert={cert},ssl_key={key},ssl_ca_cert={authority.ca}"
        return ["memcached", "-u", "root", "-l", "127.0.0.1", "-p", port, "-U", 0, "-Z", "-o", files]

    server = kit.start("memcached-tls", 1, argv, stack.path)
    stack.keep(server)
    port = kit.free_port()
    lines = ['protocol = "memcache"', f'listen = "127.0.0.1:{port}"', f'server_tls = {{ ca = "{authority.ca}" }}']
    pool(stack, "tls-to-memcached", [*lines, f'servers = ["127.0.0.1:{server.port}"]'], [port])
    client = pymemcache.Client(("127.0.0.1", port), timeout=60)
    assert client.set("k", b"v" * 500_000, noreply=False)
    assert client.get("k") == b"v" * 500_000


def test_half_a_handshake_holds_nobody_up(embedded, authority):
    """Clients that say nothing, or half a hello, are closed in time; others are served meanwhile."""
    with contextlib.ExitStack() as stack:
        idle = []
        for n in range(50):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", embedded.ports[0]), timeout=60))
            connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00"[: n % 8])
            idle.append(connection)
        with secured(embedded.ports[0], context_of(authority)) as client:
            assert ask(client) == PONG
        begun = time.monotonic()
        for connection in idle:
            with contextlib.suppress(ConnectionResetError):
                while connection.recv(100):
                    pass
        assert time.monotonic() - begun < 60
