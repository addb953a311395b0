"""Users: redis-py and redis-cli log in as one, a redis-server with the same rules says the same, memcached clients log in as to
a memcached of their own, and no secret is in anything that a daemon says."""

import hashlib
import subprocess

import pytest

import kit

redis = pytest.importorskip("redis")

pytestmark = pytest.mark.needs("redis-server", "memcached")

SECRET = "s3cret-of-web"
SLOW = "password"
ARGON2 = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
RULES = ["+@all", "-@dangerous", "-del", "-@scripting", "+config|get"]
KEYS = ["app:*", "%R~shared:*"]


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def configuration(redis_port, memcached_port, admin, redis_server, memcached_server):
    def listed(values):
        return "[" + ", ".join(f"'{value}'" for value in values) + "]"
    return f"""
[log]
level = "debug"
[admin]
listen = "127.0.0.1:{admin}"
[pool.r]
listen = "127.0.0.1:{redis_port}"
servers = ["127.0.0.1:{redis_server}:1 a"]
[pool.m]
listen = "127.0.0.1:{memcached_port}"
protocol = "memcache"
servers = ["127.0.0.1:{memcached_server}:1 b"]
[user.web]
password_sha256 = "{sha256(SECRET)}"
pools = ["r", "m"]
keys = {listed(KEYS)}
commands = {listed(RULES)}
[user.slow]
password_argon2 = "{ARGON2}"
pools = ["r", "m"]
keys = "*"
commands = "+@all"
"""


@pytest.fixture(scope="module")
def servers(stack):
    return stack.keep(kit.start_redis("r", stack.path)), stack.keep(kit.start_memcached("m", stack.path))


@pytest.fixture(scope="module")
def daemon(stack, servers):
    """The binary; its ports are those of Redis, of memcached and of the admin page."""
    def argv(*ports):
        file = stack.path / "users.toml"
        file.write_text(configuration(*ports, *(server.port for server in servers)))
        return [kit.BINARY, "run", "-c", file]
    return stack.keep(kit.start("nuthatch", 3, argv, stack.path))


@pytest.fixture(scope="module")
def twin(servers):
    """A redis-server that has the same user, as an oracle of words."""
    server, _ = servers
    with redis.Redis(port=server.port) as admin:
        keys = [key if key.startswith("%") else f"~{key}" for key in KEYS]
        admin.execute_command("ACL", "SETUSER", "web", "reset", "on", f"#{sha256(SECRET)}", *RULES, *keys)
        yield server
        admin.execute_command("ACL", "DELUSER", "web")


def as_web(port, **options):
    return redis.Redis(port=port, username="web", password=SECRET, decode_responses=True, **options)


def test_redis_py_logs_in(daemon):
    for protocol in (2, 3):
        with as_web(daemon.port, protocol=protocol) as web:
            assert web.acl_whoami() == "web"
            assert web.set("app:1", "x") and web.get("app:1") == "x"
            with pytest.raises(redis.exceptions.NoPermissionError):
                web.set("shared:1", "x")
            with pytest.raises(redis.exceptions.NoPermissionError):
                web.get("other")
    with pytest.raises(redis.exceptions.AuthenticationError):
        redis.Redis(port=daemon.port, username="web", password="wrong").ping()
    with pytest.raises(redis.exceptions.AuthenticationError):
        redis.Redis(port=daemon.port).ping()


def test_redis_cli_logs_in(daemon):
    argv = ["redis-cli", "-p", str(daemon.port), "--user", "web", "--pass", SECRET, "--no-auth-warning", "acl", "whoami"]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "web\n"


REQUESTS = """GET app:1|GET other|SET app:1 v|SET shared:1 v|GET shared:1|MGET app:1 shared:1|MGET app:1 other|MSET app:1 a app:2 b
DEL app:1|UNLINK app:1|UNLINK shared:1|RENAME app:1 shared:2|COPY shared:1 app:3|SINTERSTORE app:s shared:a shared:b
SINTERSTORE shared:s app:a app:b|EVAL return|EVAL x 1 app:1|SET shared:1 v GET|SETRANGE app:1 0 v|STRLEN shared:1|STRLEN other
OBJECT ENCODING other|CONFIG GET maxmemory|CONFIG SET maxmemory 0|SORT app:1|BITFIELD shared:1 GET u8 0|BITFIELD shared:1 SET u8 0 1
ZUNIONSTORE app:z 2 shared:a shared:b|ZUNIONSTORE shared:z 1 app:a|LMOVE shared:l app:l LEFT RIGHT|XADD app:x * f v|XADD other * f v
FLUSHALL|INFO|ACL LIST|ACL WHOAMI|PING|ECHO x|SELECT 0|TIME|DBSIZE|EXISTS other|TYPE shared:1|TTL app:1|GETEX shared:1 PERSIST"""


def test_refusals_are_those_of_a_redis_with_the_same_rules(daemon, twin):
    def said(conn, request):
        conn.send_command(*request.split())
        try:
            conn.read_response()
        except redis.exceptions.ResponseError as error:
            text = f"{type(error).__name__} {error}"
            return text if "permissions" in text else "another error"
        return "served"

    web = [redis.Connection(port=port, username="web", password=SECRET) for port in (daemon.port, twin.port)]
    for conn in web:
        conn.connect()
    for request in REQUESTS.replace("\n", "|").split("|"):
        ours, theirs = (said(conn, request) for conn in web)
        if "permissions" in ours or "permissions" in theirs:
            # What the proxy does not serve is refused with its own words.
            assert ours == theirs or ours == "another error", request
    for conn in web:
        conn.disconnect()


def test_a_slow_password(daemon):
    with redis.Redis(port=daemon.port, username="slow", password=SLOW) as slow:
        assert slow.set("anything", "x")
    with pytest.raises(redis.exceptions.AuthenticationError):
        redis.Redis(port=daemon.port, username="slow", password="passwort").ping()


def test_memcached_clients_log_in_as_to_memcached(daemon, stack, servers):
    authfile = stack.path / "auth"
    authfile.write_text(f"web:{SECRET}\n")
    # The directory is its owner's alone, and memcached gives up root before it reads the file.
    theirs = stack.keep(kit.start_memcached("auth", stack.path, "-u", "root", "-Y", str(authfile)))
    login = f"web {SECRET}".encode()
    for port in (daemon.ports[1], theirs.port):
        with kit.Wire(port) as wire:
            wire.ask(b"get app:1\r\n", b"CLIENT_ERROR unauthenticated\r\n")
            wire.ask(b"set k 0 0 9\r\nweb wrong\r\n", b"CLIENT_ERROR authentication failure\r\n")
            wire.ask(b"set k 0 0 3\r\nweb\r\n", b"CLIENT_ERROR bad authentication token format\r\n")
            wire.ask(b"set k 0 0 %d\r\n%s\r\n" % (len(login), login), b"STORED\r\n")
            wire.ask(b"set app:1 0 0 1\r\nx\r\n", b"STORED\r\n")
            wire.ask(b"get app:1\r\n", b"VALUE app:1 0 1\r\nx\r\nEND\r\n")
    with kit.Wire(daemon.ports[1]) as wire:
        wire.ask(b"set k 0 0 %d\r\n%s\r\nget other\r\n" % (len(login), login),
                 b"STORED\r\nCLIENT_ERROR this user has no permissions to access one of the keys used as arguments\r\n")


def test_secrets_are_in_nothing_that_is_shown(daemon):
    """Last: after all of the above."""
    tried = "tried-in-vain"
    for words in (["AUTH", "web", tried], ["AUTH", tried], ["AUTH", tried, "x"], ["HELLO", "3", "AUTH", "web", tried]):
        with redis.Redis(port=daemon.port, username="web", password=SECRET) as conn:
            with pytest.raises(redis.exceptions.RedisError):
                conn.execute_command(*words)
    metrics = kit.fetch(daemon.ports[2], "/metrics", raw=True)
    shown = [daemon.output(), str(metrics), *(str(kit.fetch(daemon.ports[2], path, raw=True)) for path in ("/", "/api/status"))]
    assert "login failed" in daemon.output() and "nuthatch_pool_login_failures" in str(metrics)
    for text in shown:
        for secret in (SECRET, tried, sha256(SECRET), "c29tZXNhbHQ", "nf65EOgL"):
            assert secret not in text
