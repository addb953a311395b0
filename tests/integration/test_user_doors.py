"""One user at every door: a certificate logs in at pools, at the queue over TCP and HTTPS and at the admin port alike; limits count for
all doors together; lookups and nsqadmin ask for a login where there are users. With redis-cli, curl and openssl."""

import base64
import hashlib
import shutil
import ssl
import subprocess

import pytest

import kit

pytestmark = [
    pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl"),
    pytest.mark.skipif(kit.IS_ORIGINAL, reason="the binary is nutcracker"),
]

SECRETS = {"app": "s3cret-of-app", "eve": "s3cret-of-eve", "ops": "s3cret-of-ops", "few": "s3cret-of-few"}


def digest(name):
    return hashlib.sha256(SECRETS[name].encode()).hexdigest()


USERS = f"""
[user.app]
password_sha256 = "{digest('app')}"
certificate = "app-*"
pools = ["p"]
commands = ["+@all"]
keys = ["*"]
publish = ["open*"]
[user.eve]
password_sha256 = "{digest('eve')}"
admin = "view"
[user.ops]
password_sha256 = "{digest('ops')}"
certificate = "ops-*"
admin = "operate"
[user.few]
password_sha256 = "{digest('few')}"
pools = ["p"]
commands = ["+@all"]
publish = ["open*"]
admin = "view"
limit_connections = 2
"""


@pytest.fixture(scope="module")
def identities(authority):
    """Certificates and keys of clients: one that no user has among them."""
    return {name: authority.issue(name) for name in ("app-1", "ops-1", "nobody")}


@pytest.fixture(scope="module")
def daemon(stack, authority, web):
    """Its ports: the pool, the queue over TCP, HTTP and HTTPS, the admin port, the lookup's HTTP, nodes of the lookup."""
    cert, key = web
    ports = [kit.free_port() for _ in range(7)]
    pool, tcp, http, https, admin, lookup, nodes = ports
    tls = f'tls = {{ cert = "{cert}", key = "{key}", client_ca = "{authority.ca}", client_auth = "optional" }}'
    text = f"""
[pool.p]
listen = "127.0.0.1:{pool}"
{tls}
servers = ["local"]
[queue]
tcp = "127.0.0.1:{tcp}"
http = "127.0.0.1:{http}"
https = "127.0.0.1:{https}"
data_path = "{stack.path / 'doors'}"
tls_cert = "{cert}"
tls_key = "{key}"
tls_root_ca_file = "{authority.ca}"
tls_client_auth_policy = "require-verify"
tls_required = "tcp-https"
[admin]
listen = "127.0.0.1:{admin}"
{tls}
[lookup]
tcp = "127.0.0.1:{nodes}"
http = "127.0.0.1:{lookup}"
{USERS}
"""
    return kit.start_configured(stack, "doors", text, ports)


def context(authority, identity=None):
    made = ssl.create_default_context(cafile=authority.ca)
    if identity:
        made.load_cert_chain(*identity)
    return made


def basic(name, secret=None):
    login = f"{name}:{secret or SECRETS[name]}".encode()
    return {"Authorization": "Basic " + base64.b64encode(login).decode()}


def test_a_certificate_logs_in_over_https(daemon, authority, identities):
    https = daemon.ports[3]
    shown = {name: context(authority, identity) for name, identity in identities.items()}
    post = lambda name, topic, headers=None: kit.fetch(https, f"/pub?topic={topic}", "POST", "m", headers, tls=shown[name])[0]
    stats = lambda name, headers=None: kit.fetch(https, "/stats", headers=headers, tls=shown[name])[0]
    assert [post("app-1", "open"), post("app-1", "closed"), stats("app-1")] == [200, 403, 403]
    assert [post("ops-1", "open"), stats("ops-1")] == [403, 200]
    assert [post("nobody", "open"), stats("nobody")] == [401, 401]
    assert [stats("nobody", basic("eve")), stats("ops-1", basic("app")), stats("ops-1", basic("eve", "wrong"))] == [200, 403, 401]
    resumed = [kit.fetch(https, "/stats", tls=shown["ops-1"])[0] for _ in range(3)]
    assert resumed == [200] * 3


def test_a_certificate_logs_in_at_the_admin_port(daemon, authority, identities):
    admin = daemon.ports[4]
    asked = lambda path, name=None, method="GET", headers=None: kit.fetch(
        admin, path, method, headers=headers, tls=context(authority, name and identities[name]))[0]
    assert [asked("/live"), asked("/metrics"), asked("/metrics", "nobody"), asked("/metrics", "app-1")] == [200, 401, 401, 403]
    assert asked("/metrics", "ops-1") == 200
    assert asked("/api/reload?dry_run=true", "ops-1", "POST") == 200
    assert asked("/api/reload?dry_run=true", "ops-1", "POST", basic("eve")) == 403, "a login goes before the certificate"


def test_a_certificate_logs_in_to_the_pool(daemon, authority, identities):
    pool = daemon.ports[0]
    with kit.Wire(pool) as wire:
        wire.socket = context(authority, identities["app-1"]).wrap_socket(wire.socket, server_hostname="localhost")
        wire.ask(b"ACL WHOAMI\r\n", b"$3\r\napp\r\n")
    with kit.Wire(pool) as wire:
        wire.socket = context(authority, identities["nobody"]).wrap_socket(wire.socket, server_hostname="localhost")
        wire.ask(b"GET x\r\n", b"-NOAUTH Authentication required.\r\n")


@pytest.mark.needs("curl")
def test_curl_and_commands_with_a_certificate(daemon, authority, identities):
    _, _, _, https, admin, _, _ = daemon.ports
    cert, key = identities["ops-1"]
    run = lambda *words: subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=kit.ANSWER_SECONDS)
    curl = ["curl", "-sS", "--cacert", authority.ca, "--cert", cert, "--key", key]
    assert "nuthatch" in run(*curl, f"https://localhost:{admin}/metrics").stdout
    assert "Topics" in run(*curl, f"https://localhost:{https}/stats").stdout or "nsqd" in run(*curl, f"https://localhost:{https}/stats").stdout
    there = ["--address", f"https://localhost:{admin}", "--ca", authority.ca]
    refused = run(kit.BINARY, "reload", "--dry-run", *there)
    assert refused.returncode == 1 and "NUTHATCH_ADMIN_LOGIN" in refused.stderr, refused
    done = run(kit.BINARY, "reload", "--dry-run", *there, "--cert", cert, "--key", key)
    assert done.returncode == 0 and "nothing changes" in done.stdout, done


def test_connections_count_for_all_doors_together(daemon, authority, identities):
    pool, _, http, https, admin, _, _ = daemon.ports
    shown = context(authority, identities["nobody"])
    first = kit.http.client.HTTPSConnection("localhost", https, context=shown, timeout=kit.ANSWER_SECONDS)
    first.request("GET", "/stats", headers=basic("few"))
    answer = first.getresponse()
    assert (answer.status, len(answer.read()) > 0) == (200, True)
    with kit.Wire(pool) as wire:
        wire.socket = context(authority).wrap_socket(wire.socket, server_hostname="localhost")
        wire.ask(b"AUTH few " + SECRETS["few"].encode() + b"\r\n", b"+OK\r\n")
        status, refusal = kit.fetch(http, "/pub?topic=open", "POST", "m", basic("few"))
        assert status == 429 and refusal["message"] == "TOO_MANY_CONNECTIONS", refusal
        assert kit.fetch(admin, "/metrics", headers=basic("few"), tls=context(authority))[0] == 429
        first.request("GET", "/stats", headers=basic("few"))
        answer = first.getresponse()
        assert (answer.status, len(answer.read()) > 0) == (200, True), "a connection that counts already"
        with kit.Wire(daemon.ports[0]) as other:
            other.socket = context(authority).wrap_socket(other.socket, server_hostname="localhost")
            other.send(b"AUTH few " + SECRETS["few"].encode() + b"\r\n")
            assert other.line().startswith(b"-"), "at the pool as well"
    first.close()
    kit.until(lambda: kit.fetch(http, "/pub?topic=open", "POST", "m", basic("few"))[0] == 200, "room for a connection")


def test_names_that_the_admin_port_does_not_allow(stack, authority, web, identities):
    cert, key = web
    admin = kit.free_port()
    text = f"""
[admin]
listen = "127.0.0.1:{admin}"
tls = {{ cert = "{cert}", key = "{key}", client_ca = "{authority.ca}", client_auth = "optional", client_names = ["ops-*"] }}
[pool.p]
listen = "127.0.0.1:{kit.free_port()}"
servers = ["local"]
"""
    program = kit.start_configured(stack, "names", text, [admin])
    asked = lambda name: kit.fetch(admin, "/metrics", raw=True, tls=context(authority, name and identities[name]))
    assert asked(None)[0] == 200 and asked("ops-1")[0] == 200
    status, text = asked("app-1")
    assert status == 403 and b"client_names" in text
    kit.until(lambda: "client_names does not allow" in program.output(), "the refusal in the log")


def test_the_lookup_lets_operators_change_something(daemon):
    lookup = daemon.ports[5]
    ask = lambda path, method="GET", headers=None: kit.fetch(lookup, path, method, headers=headers)[0]
    assert [ask(path) for path in ("/ping", "/info", "/topics", "/nodes", "/debug")] == [200] * 5, "consumers have no login"
    for path in ("/topic/create?topic=t", "/channel/create?topic=t&channel=c", "/topic/tombstone?topic=t&node=h:1",
                 "/channel/delete?topic=t&channel=c", "/topic/delete?topic=t"):
        logins = [None, basic("app"), basic("eve"), basic("ops")]
        assert [ask(path, "POST", login) for login in logins] == [401, 403, 403, 200], path


def test_nsqadmin_and_nsqlookupd_with_users(stack, daemon):
    http = daemon.ports[2]
    file = stack.path / "users.toml"
    file.write_text("\n".join(line for line in USERS.splitlines() if not line.startswith("pools")))

    def start(name, environment, *options):
        port = kit.free_port()
        argv = ["env", *environment, kit.BINARY, name, f"--http-address=127.0.0.1:{port}", *options]
        return stack.keep(started(name, argv, port))

    def started(name, argv, port):
        program = kit.Program(f"{name}-users", argv, [port], stack.path)
        assert program.is_ready(), program.output()
        return program

    users = [f"NUTHATCH_USERS={file}"]
    admin = start("nsqadmin", [*users, f"NUTHATCH_FLEET_LOGIN=ops:{SECRETS['ops']}"], f"--nsqd-http-address=127.0.0.1:{http}")
    ask = lambda path, method="GET", headers=None, body=None: kit.fetch(admin.port, path, method, body, headers)
    assert ask("/ping")[0] == 200
    assert [ask("/api/topics", headers=login)[0] for login in ({}, basic("app"), basic("eve"))] == [401, 403, 200]
    assert [ask("/topics", headers=login)[0] for login in ({}, basic("eve"))] == [401, 200]
    assert kit.fetch(http, "/pub?topic=open-fleet", "POST", "m", basic("app"))[0] == 200
    status, found = ask("/api/topics", headers=basic("eve"))
    assert status == 200 and "open-fleet" in found["topics"] and not found["message"], found
    pause = [ask("/api/topics/open-fleet", "POST", login, {"action": "pause"})[0] for login in ({}, basic("eve"), basic("ops"))]
    assert pause == [401, 403, 200]
    lookup = start("nsqlookupd", users, "--tcp-address=127.0.0.1:0")
    create = lambda headers: kit.fetch(lookup.port, "/topic/create?topic=t", "POST", headers=headers)[0]
    assert [create(None), create(basic("ops"))] == [401, 200]
    without = start("nsqadmin", [], f"--nsqd-http-address=127.0.0.1:{http}")
    status, found = kit.fetch(without.port, "/api/topics")
    assert status == 502 and "401" in found["message"], "it has no login there"


def test_secrets_are_in_no_output(daemon):
    """Last: after all of the above."""
    for secret in SECRETS.values():
        assert secret not in daemon.output()
