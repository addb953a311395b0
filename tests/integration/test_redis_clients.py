"""Redis clients as people use them: redis-cli, redis-py and ioredis, through the binary as nutcracker with three real
servers behind it, and over the embedded cache."""

import hashlib
import os
import random
import subprocess
import time

import pytest

import kit

redis = pytest.importorskip("redis")

pytestmark = pytest.mark.needs("redis-server")

LARGE = 16 * 1024 * 1024


@pytest.fixture(scope="module")
def servers(stack):
    return [stack.keep(kit.start_redis(f"r{n}", stack.path)) for n in range(3)]


@pytest.fixture(scope="module")
def sharded(stack, servers):
    """Three servers behind a nutcracker.yml."""
    return stack.keep_proxy(kit.start_nutcracker(stack.path, servers, redis=True, hash="murmur", hash_tag='"{}"'))


@pytest.fixture(scope="module")
def single(stack, servers):
    """One of the servers alone."""
    return stack.keep_proxy(kit.start_native(stack.path, "redis", servers[:1]))


@pytest.fixture(scope="module")
def embedded(stack):
    """The embedded cache."""
    return stack.keep_proxy(kit.start_native(stack.path, "redis", []))


@pytest.fixture(params=["sharded", "embedded"])
def proxy(request):
    """Either; for what both can do."""
    if kit.IS_ORIGINAL and request.param == "embedded":
        pytest.skip("nutcracker has no embedded cache")
    return request.getfixturevalue(request.param)


@pytest.fixture
def prefix(request):
    """Keys of one test do not meet those of another."""
    return f"{request.node.name}:"


def client(proxy, **options):
    """redis-py, without the CLIENT SETINFO and the RESP3 greeting that the original does not know."""
    if kit.IS_ORIGINAL:
        options = {"protocol": 2, "driver_info": None, **options}
    return redis.Redis(host="127.0.0.1", port=proxy.port, socket_timeout=kit.ANSWER_SECONDS, **options)


# redis-cli


def redis_cli(proxy, *arguments, stdin=None):
    argv = ["redis-cli", "-h", "127.0.0.1", "-p", str(proxy.port), *arguments]
    ended = subprocess.run(argv, input=stdin, capture_output=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.decode().strip()


@pytest.mark.needs("redis-cli")
@pytest.mark.original
def test_redis_cli_sets_and_gets(proxy, prefix):
    assert redis_cli(proxy, "set", prefix + "k", "v") == "OK"
    assert redis_cli(proxy, "get", prefix + "k") == "v"
    assert redis_cli(proxy, "incr", prefix + "n") == "1"
    assert redis_cli(proxy, "mget", prefix + "k", prefix + "none", prefix + "n") == "v\n\n1"
    assert redis_cli(proxy, "del", prefix + "k", prefix + "n", prefix + "none") == "2"
    assert redis_cli(proxy, "ping") == "PONG"


@pytest.mark.needs("redis-cli")
def test_redis_cli_reads_commands_from_standard_input(proxy, prefix):
    lines = f"set {prefix}k 'a b'\nget {prefix}k\nshutdown\nget {prefix}k\nmonitor\nset {prefix}k c\nget {prefix}k\n"
    said = redis_cli(proxy, "--no-auth-warning", stdin=lines.encode())
    first, second, refused, third, monitor = [line for line in said.split("\n") if line][:5]
    assert (first, second, third) == ("OK", "a b", "a b")
    assert "unsupported" in refused and "not allowed in this pool" in monitor


@pytest.mark.needs("redis-cli")
def test_redis_cli_speaks_resp3(proxy, prefix):
    assert redis_cli(proxy, "-3", "set", prefix + "k", "v") == "OK"
    assert redis_cli(proxy, "-3", "get", prefix + "k") == "v"


@pytest.mark.needs("redis-cli")
def test_redis_cli_loads_in_bulk(proxy, prefix):
    """`--pipe` ends with an ECHO that it waits for."""
    count = 5000
    commands = b"".join(resp("SET", f"{prefix}{n}", f"value {n}") for n in range(count))
    assert f"errors: 0, replies: {count}" in redis_cli(proxy, "--pipe", stdin=commands)
    assert redis_cli(proxy, "get", f"{prefix}4999") == "value 4999"


def resp(*words):
    parts = [b"*%d\r\n" % len(words)]
    parts += [b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in words]
    return b"".join(parts)


# redis-py


@pytest.mark.original
def test_redis_py_strings(proxy, prefix):
    with client(proxy, decode_responses=True) as r:
        assert r.set(prefix + "k", "grüße") is True
        assert r.get(prefix + "k") == "grüße"
        assert r.getset(prefix + "k", "new") == "grüße"
        assert r.append(prefix + "k", "er") == 5
        assert r.strlen(prefix + "k") == 5
        assert r.set(prefix + "t", "x", ex=100) is True
        assert 0 < r.ttl(prefix + "t") <= 100
        assert r.ttl(prefix + "none") == -2
        assert r.incrby(prefix + "n", 40) == 40
        assert r.decr(prefix + "n") == 39
        assert r.set(prefix + "k", "other", nx=True) is None
        assert r.get(prefix + "none") is None


@pytest.mark.original
def test_redis_py_binary_keys_and_values(proxy, prefix):
    every_byte = bytes(range(256))
    key = prefix.encode() + b"\r\n \x00\xff" + every_byte
    with client(proxy) as r:
        r.set(key, every_byte * 10)
        assert r.get(key) == every_byte * 10
        assert r.mget([key, key]) == [every_byte * 10] * 2
        assert r.set(prefix + "empty", b"") and r.get(prefix + "empty") == b""


@pytest.mark.original
def test_redis_py_many_keys_at_once(proxy, prefix):
    pairs = {f"{prefix}{n}": f"value {n}" for n in range(1000)}
    with client(proxy, decode_responses=True) as r:
        assert r.mset(pairs) is True
        keys = [key for n in range(1000) for key in (f"{prefix}{n}", f"{prefix}none{n}")]
        assert r.mget(keys) == [value for n in range(1000) for value in (f"value {n}", None)]
        assert r.mget([f"{prefix}5", f"{prefix}3", f"{prefix}5"]) == ["value 5", "value 3", "value 5"]
        assert r.touch(*keys) == 1000
        assert r.delete(*keys[:1000]) == 500
        assert r.unlink(*keys) == 500
        assert r.mget(keys) == [None] * 2000


def test_redis_py_exists_counts_over_all_servers(proxy, prefix):
    with client(proxy) as r:
        r.mset({f"{prefix}{n}": n for n in range(50)})
        assert r.exists(*[f"{prefix}{n}" for n in range(100)]) == 50


@pytest.mark.original
def test_redis_py_pipelines(proxy, prefix):
    with client(proxy, decode_responses=True) as r:
        for size in (1, 2, 100, 5000):
            pipeline = r.pipeline(transaction=False)
            for n in range(size):
                pipeline.set(f"{prefix}{n}", f"{size}.{n}")
                pipeline.get(f"{prefix}{n}")
            replies = pipeline.execute()
            assert replies == [reply for n in range(size) for reply in (True, f"{size}.{n}")]


@pytest.mark.original
def test_redis_py_errors_inside_a_pipeline_stay_in_their_place(sharded, prefix):
    with client(sharded, decode_responses=True) as r:
        pipeline = r.pipeline(transaction=False)
        pipeline.set(prefix + "k", "text")
        pipeline.incr(prefix + "k")
        pipeline.lpush(prefix + "k", "x")
        pipeline.mget(prefix + "k", prefix + "none")
        pipeline.get(prefix + "k")
        ok, not_a_number, wrong_type, values, value = pipeline.execute(raise_on_error=False)
        assert (ok, values, value) == (True, ["text", None], "text")
        assert "not an integer" in str(not_a_number)
        assert "wrong kind of value" in str(wrong_type)


@pytest.mark.original
def test_redis_py_other_types(sharded, prefix):
    with client(sharded, decode_responses=True) as r:
        assert r.rpush(prefix + "list", "a", "b", "c") == 3
        assert r.lrange(prefix + "list", 0, -1) == ["a", "b", "c"]
        assert r.hset(prefix + "hash", mapping={"f": "1", "g": "2"}) == 2
        assert r.hgetall(prefix + "hash") == {"f": "1", "g": "2"}
        assert r.sadd(prefix + "set", "x", "y", "x") == 2
        assert r.smembers(prefix + "set") == {"x", "y"}
        assert r.zadd(prefix + "zset", {"a": 1.5, "b": 2}) == 2
        assert r.zrange(prefix + "zset", 0, -1, withscores=True) in ([("a", 1.5), ("b", 2.0)], [["a", 1.5], ["b", 2.0]])
        assert r.eval("return redis.call('get', KEYS[1])", 1, prefix + "none") is None


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_with_a_user_name_and_no_password(proxy, prefix, protocol):
    """A Redis without a password takes any from the user `default`, and clients are configured so."""
    for password in ("x", ""):
        with client(proxy, protocol=protocol, username="default", password=password) as r:
            assert r.set(prefix + "k", "v") is True
    with client(proxy, protocol=protocol, username="other", password="x") as r, pytest.raises(redis.AuthenticationError):
        r.get(prefix + "k")


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_protocol_versions(proxy, prefix, protocol):
    with client(proxy, decode_responses=True, protocol=protocol, client_name="tester") as r:
        assert r.set(prefix + "k", "v") is True
        assert r.get(prefix + "k") == "v"
        assert r.client_getname() == "tester"
        assert r.ping() is True and r.echo("hello") == "hello"
        assert r.mget(prefix + "k", prefix + "none") == ["v", None]


def test_redis_py_resp3_types_come_through(sharded, prefix):
    """With RESP3 a hash is a map and a score a double, if the servers are asked for it; either form must be read."""
    with client(sharded, decode_responses=True, protocol=3) as r:
        r.hset(prefix + "h", mapping={"a": "1"})
        r.zadd(prefix + "z", {"m": 1.5})
        assert r.hgetall(prefix + "h") == {"a": "1"}
        assert float(r.zscore(prefix + "z", "m")) == 1.5


@pytest.mark.original
def test_redis_py_large_values(proxy, prefix):
    value = random.Random(16).randbytes(LARGE)
    with client(proxy) as r:
        assert r.set(prefix + "k", value) is True
        assert r.get(prefix + "k") == value
        assert r.mget(prefix + "k", prefix + "none") == [value, None]
        assert r.delete(prefix + "k") == 1


@pytest.mark.original
def test_redis_py_pool_shared_by_threads(proxy, prefix):
    """Each thread sees its own values, and counters lose nothing."""
    pool = client(proxy, decode_responses=True, max_connections=10).connection_pool

    def work(thread):
        r = redis.Redis(connection_pool=pool)
        for n in range(200):
            key = f"{prefix}{thread}:{n % 7}"
            r.set(key, f"{key}={n}")
            assert r.get(key) == f"{key}={n}"
            r.incr(prefix + "sum")

    kit.in_threads(8, work)
    with client(proxy) as r:
        assert int(r.get(prefix + "sum")) == 8 * 200
    pool.disconnect()


@pytest.mark.original
def test_redis_py_many_connections(proxy, prefix):
    clients = [client(proxy, single_connection_client=True) for _ in range(200)]
    for n, r in enumerate(clients):
        r.set(f"{prefix}{n}", n)
    assert [int(r.get(f"{prefix}{n}")) for n, r in enumerate(clients)] == list(range(200))
    [r.close() for r in clients]


def test_redis_py_unsupported_commands_are_refused_and_the_connection_lives(proxy, prefix):
    with client(proxy, decode_responses=True, single_connection_client=True) as r:
        r.set(prefix + "k", "v")
        number = r.client_id()
        for command in (["EXEC"], ["MODULE", "UNLOAD", "x"], ["SHUTDOWN"], ["NOSUCH", "x"]):
            with pytest.raises(redis.ResponseError) as refused:
                r.execute_command(*command)
            assert command[0].lower() in str(refused.value).lower()
            assert r.get(prefix + "k") == "v", f"after {command}"
        assert r.client_id() == number


@pytest.mark.parametrize("command", ["MULTI x", "WATCH", "SUBSCRIBE", "MONITOR", "SELECT 1"])
def test_redis_py_is_told_before_it_is_closed(proxy, prefix, command):
    """What comes behind such a command may not be executed, so the connection ends with the error; the client makes another."""
    with client(proxy, decode_responses=True) as r:
        r.set(prefix + "k", "v")
        connection = r.connection_pool.get_connection()
        connection.send_command(*command.split())
        with pytest.raises(redis.ResponseError, match="unknown command|not allowed in this pool|index is out of range|wrong number"):
            connection.read_response()
        with pytest.raises(redis.ConnectionError):
            connection.read_response()
        r.connection_pool.release(connection)
        assert r.get(prefix + "k") == "v"


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_pubsub(stack, servers, prefix, protocol):
    """Messages to channels and patterns, in order; PUBLISH counts its receivers."""
    proxy = kit.start_native(stack.path, "redis", servers[:1])
    # Brackets have a meaning in patterns.
    prefix = prefix.translate({ord(bracket): None for bracket in "[]"})
    try:
        with client(proxy, decode_responses=True, protocol=protocol) as r:
            subscribers = [r.pubsub(ignore_subscribe_messages=True) for _ in range(10)]
            for pubsub in subscribers:
                pubsub.subscribe(prefix + "news")
                pubsub.psubscribe(prefix + "log.*")
                assert [pubsub.parse_response()[0] for _ in "ab"] == ["subscribe", "psubscribe"]
            for n in range(100):
                assert r.publish(prefix + "news", n) == 10
                assert r.publish(prefix + "log.x", n) == 10
            for pubsub in subscribers:
                got = [pubsub.get_message(timeout=10) for _ in range(200)]
                assert [(m["channel"], m["data"]) for m in got] \
                    == [(prefix + name, str(n)) for n in range(100) for name in ("news", "log.x")]
                pubsub.unsubscribe()
                pubsub.punsubscribe()
                pubsub.close()
            assert r.set(prefix + "k", "v") is True
    finally:
        proxy.stop()


def test_redis_py_transactions(proxy, prefix):
    """The default pipeline, of Celery's result store and Django's set_many."""
    with client(proxy) as r:
        a, b, l = (f"{{{prefix}}}{name}" for name in "abl")
        assert r.pipeline().set(a, 1).incr(a).get(a).execute() == [True, 2, b"2"]
        with pytest.raises(redis.ResponseError, match="not an integer"):
            r.pipeline().set(a, "x").incr(a).set(b, 1).execute()
        assert r.mget(a, b) == [b"x", b"1"]
        many = r.pipeline()
        for _ in range(20_000):
            many.incr(l)
        assert many.execute() == list(range(1, 20_001))


def test_redis_py_watch(stack, servers, prefix):
    """Counters of many clients that each read, add one and write, all or nothing."""
    proxy = kit.start_native(stack.path, "redis", servers)
    n = prefix + "n"

    def add_one(pipeline):
        value = int(pipeline.get(n) or 0)
        pipeline.multi()
        pipeline.set(n, value + 1)

    def work(_):
        with client(proxy) as r:
            for _ in range(50):
                r.transaction(add_one, n)

    try:
        kit.in_threads(8, work)
        with client(proxy) as r:
            assert int(r.get(n)) == 8 * 50
            with r.pipeline() as pipeline:
                pipeline.watch(n)
                r.set(n, "other")
                pipeline.multi()
                pipeline.set(n, "lost")
                with pytest.raises(redis.WatchError):
                    pipeline.execute()
            assert r.get(n) == b"other"
    finally:
        proxy.stop()


def test_redis_py_blocking(stack, servers, prefix):
    """Elements that are pushed reach exactly one of those who block for them; who has left gets none."""
    proxy = kit.start_native(stack.path, "redis", servers[:1])
    jobs, count, workers = prefix + "jobs", 2000, 20
    done = []

    def work(n):
        with client(proxy) as r:
            if n == workers:
                for job in range(count):
                    r.rpush(jobs, job)
                    if job % 100 == 0:
                        # A client that goes away while it blocks.
                        gone = r.connection_pool.get_connection()
                        gone.send_command("BLPOP", prefix + "nothing", 0)
                        gone.disconnect()
                [r.rpush(jobs, "end") for _ in range(workers)]
                return
            while (job := r.blpop([jobs], timeout=20)[1]) != b"end":
                done.append(int(job))

    try:
        kit.in_threads(workers + 1, work)
        assert sorted(done) == list(range(count))
        with client(proxy) as r:
            assert r.blpop([prefix + "none"], timeout=0.2) is None
            assert r.xread({prefix + "stream": "$"}, block=100) in (None, [], {})
    finally:
        proxy.stop()


def test_redis_py_a_transaction_is_for_one_server(sharded, prefix):
    with client(sharded) as r:
        pipeline = r.pipeline()
        for n in range(20):
            pipeline.set(f"{prefix}{n}", n)
        with pytest.raises(redis.RedisError, match="(?i)different servers|crossslot|slot"):
            pipeline.execute()
        assert r.mget([f"{prefix}{n}" for n in range(20)]) == [None] * 20
        for n in range(20):
            pipeline.set(f"{prefix}{{tag}}{n}", n)
        assert pipeline.execute() == [True] * 20


def test_redis_py_another_database_is_not_written_to(proxy, prefix):
    with client(proxy, db=1) as other, client(proxy) as r:
        with pytest.raises(redis.RedisError):
            other.set(prefix + "k", "v")
        assert r.get(prefix + "k") is None


def test_redis_py_keys_of_one_command_on_different_servers(sharded, prefix):
    """A hash tag puts them together; without it the error names the way out."""
    with client(sharded) as r:
        for n in range(20):
            r.sadd(f"{prefix}{{tag}}{n}", n)
        assert len(r.sunion(*[f"{prefix}{{tag}}{n}" for n in range(20)])) == 20
        assert r.rename(f"{prefix}{{tag}}0", f"{prefix}{{tag}}x") is True
        with pytest.raises(redis.RedisError, match="(?i)crossslot.*|.*hash tag"):
            r.sunion(*[f"{prefix}{n}" for n in range(20)])
        assert r.ping()


def test_redis_py_is_answered_what_it_asks_on_connecting(proxy):
    with client(proxy) as r:
        assert isinstance(r.info(), dict)
        assert isinstance(r.client_id(), int)
        assert abs(r.time()[0] - time.time()) < 60
        assert isinstance(r.config_get("maxmemory"), dict)
        assert r.execute_command("SELECT", 0) in (b"OK", "OK", True)


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_is_told_what_the_only_server_says(servers, single, protocol):
    """INFO and CONFIG GET, which clients and their test suites read before they decide what a server can do."""
    of_connections = {"maxclients", "tcp-keepalive", "tcp-backlog", "databases", "proto-max-bulk-len"}
    with client(single, protocol=protocol) as r, redis.Redis(port=servers[0].port, protocol=protocol) as direct:
        ours, theirs = r.info(), direct.info()
        # redis-py itself makes the server count an error.
        assert (ours.keys() ^ theirs.keys()) - {"errorstat_ERR"} == {"nuthatch_version"}
        assert ours["run_id"] == theirs["run_id"]
        assert r.info("memory")["maxmemory"] == direct.info("memory")["maxmemory"]
        ours, theirs = r.config_get("*"), direct.config_get("*")
        assert theirs.keys() - ours.keys() == {"requirepass", "masterauth", "tls-key-file-pass", "tls-client-key-file-pass"}
        assert {name for name in ours if ours[name] != theirs[name]} <= of_connections
        direct.config_set("hash-max-listpack-entries", 77)
        assert r.config_get("hash-max-*-entries", "timeout") == {
            "hash-max-listpack-entries": "77", "hash-max-ziplist-entries": "77", "timeout": "0"}
        direct.config_set("hash-max-listpack-entries", 512)


def test_what_the_proxy_says_of_a_redis_is_what_a_redis_says(servers, proxy):
    with client(proxy, decode_responses=True) as r, redis.Redis(port=servers[0].port, decode_responses=True) as direct:
        r.set("{here}", 1)
        ours, theirs = r.info(), direct.info()
        assert ours.keys() - theirs.keys() <= {"nuthatch_version", "topology", "topology_servers", "db0"}
        for name in ("arch_bits", "redis_mode", "role", "loading", "cluster_enabled"):
            assert ours[name] == theirs[name], name
        assert ours["used_memory"] >= 0 and ours["connected_clients"] >= 1
        settings = r.config_get("*")
        for name in direct.config_get("*-max-*").keys() & settings.keys() - {"proto-max-bulk-len"}:
            assert settings[name] == direct.config_get(name)[name], name
        assert "hash-max-listpack-entries" in settings


def test_keys_are_where_nutcracker_puts_them(servers, sharded, prefix):
    """Every key is on exactly one server, and all three have some."""
    with client(sharded) as r:
        r.mset({f"{prefix}{n}": n for n in range(300)})
    found = []
    for server in servers:
        with redis.Redis(port=server.port) as direct:
            found.append({key for n in range(300) if direct.exists(key := f"{prefix}{n}")})
    assert sum(map(len, found)) == 300
    assert all(keys for keys in found)


# scripts, which every server has to know


@pytest.fixture
def no_scripts(servers):
    """No server knows a script, as after a restart."""
    for server in servers:
        with redis.Redis(port=server.port) as direct:
            direct.script_flush()


def test_redis_py_lock(sharded, prefix, no_scripts):
    """Acquired with SET NX, released and extended by scripts, which are loaded where a server does not know them."""
    with client(sharded) as r:
        for n in range(20):
            lock = r.lock(f"{prefix}{n}", timeout=20, blocking=False)
            assert lock.acquire() is True
            assert r.lock(f"{prefix}{n}", timeout=20, blocking=False).acquire() is False
            assert lock.extend(20) and lock.reacquire() and lock.owned()
            lock.release()
            assert r.exists(f"{prefix}{n}") == 0
            with pytest.raises(redis.exceptions.LockError):
                lock.release()
        with r.lock(prefix + "with", timeout=20):
            assert r.exists(prefix + "with") == 1


def test_redis_py_registered_scripts(sharded, servers, prefix, no_scripts):
    with client(sharded) as r:
        add = r.register_script(f"return redis.call('incrby', KEYS[1], ARGV[1]) -- {prefix}")
        for n in range(20):
            assert add(keys=[f"{prefix}{n}"], args=[n]) == n
        for server in servers:
            with redis.Redis(port=server.port) as direct:
                assert direct.script_exists(add.sha) == [True]
        # One that a server has lost is loaded again, alone and within a pipeline.
        with redis.Redis(port=servers[1].port) as direct:
            direct.script_flush()
        assert r.script_exists(add.sha, "f" * 40) == [False, False]
        pipeline = r.pipeline(transaction=False)
        for n in range(20):
            add(keys=[f"{prefix}{n}"], args=[1], client=pipeline)
        assert pipeline.execute() == [n + 1 for n in range(20)]
        assert r.script_exists(add.sha, "f" * 40) == [True, False]
        assert r.script_flush() is True
        assert r.script_exists(add.sha) == [False]


def test_redis_py_what_every_server_is_asked(sharded, servers, prefix):
    with client(sharded) as r:
        r.mset({f"{prefix}{n}": n for n in range(50)})
        total = 0
        for server in servers:
            with redis.Redis(port=server.port) as direct:
                total += direct.dbsize()
        assert r.dbsize() == total >= 50
        with pytest.raises(redis.ResponseError, match=r"compiling script.*\(server r\d\)"):
            r.script_load("this is no lua")
        for command in (["FLUSHALL"], ["FLUSHDB"]):
            with pytest.raises(redis.ResponseError, match="not allowed in this pool"):
                r.execute_command(*command)
        with pytest.raises(redis.ResponseError, match="NOTBUSY"):
            r.script_kill()
        mine = [f"{prefix}{n}".encode() for n in range(50)]
        assert sorted(r.keys(f"{prefix}*")) == sorted(r.scan_iter(f"{prefix}*", count=7)) == sorted(mine)
        assert r.randomkey() is not None
        assert r.dbsize() == total


def test_scripts_while_a_server_is_down(stack, prefix):
    """Its error is the reply as long as keys may go there, and the others have the script all the same."""
    up, down = kit.start_redis("up", stack.path), kit.start_redis("down", stack.path)
    options = {"auto_eject_hosts": "false", "timeout": '"2s"'}
    proxy = kit.start_native(stack.path, "redis", [up, down], **options)
    try:
        down.kill()
        with client(proxy) as r, redis.Redis(port=up.port) as direct:
            with pytest.raises(redis.ResponseError, match=r"refused.*\(server down\)"):
                r.script_load("return 7")
            assert direct.script_exists(hashlib.sha1(b"return 7").hexdigest()) == [True]
    finally:
        assert proxy.stop() == 0
        up.stop()


def test_scripts_with_an_ejected_server(stack, prefix):
    """No key goes there, so that it need not know the script."""
    up, down = kit.start_redis("up", stack.path), kit.start_redis("down", stack.path)
    options = {"auto_eject_hosts": "true", "server_failure_limit": 1, "server_retry_timeout": '"60s"'}
    proxy = kit.start_native(stack.path, "redis", [up, down], **options)
    try:
        down.kill()
        with client(proxy) as r:
            for n in range(50):
                try:
                    r.set(f"{prefix}{n}", n)
                except redis.RedisError:
                    pass
            lock = r.lock(prefix + "lock", timeout=20)
            assert lock.acquire()
            lock.release()
            assert r.script_exists(r.script_load("return 7")) == [True]
    finally:
        assert proxy.stop() == 0
        up.stop()


@pytest.mark.parametrize("eject", ["true", "false"])
def test_a_server_whose_password_was_corrected_serves_again(stack, prefix, eject):
    """The proxy keeps trying: within the retry time, without a restart and though all its connections were refused."""
    server = kit.start_redis("guarded", stack.path, "--requirepass", "other")
    options = {"auth": '"sesame"', "auto_eject_hosts": eject, "server_failure_limit": 2, "server_retry_timeout": '"1s"'}
    proxy = kit.start_native(stack.path, "redis", [server], **options)
    try:
        with client(proxy, password="sesame", retry=None) as r, redis.Redis(port=server.port, password="other") as direct:
            for _ in range(5):
                with pytest.raises(redis.RedisError, match="did not accept the pool's password|Connection refused"):
                    r.set(prefix, 1)
                time.sleep(0.1)
            connections = direct.info("stats")["total_connections_received"]
            assert connections < 8, "it does not hammer the server"
            direct.config_set("requirepass", "sesame")
            others, corrected = kit.Others(proxy.process.pid, server.process.pid), time.monotonic()

            def works():
                try:
                    return r.set(prefix, 1)
                except redis.RedisError:
                    return False

            kit.until(works, proxy.output)
            assert time.monotonic() - corrected < 1.5 or not others.leave_room()
    finally:
        assert proxy.stop() == 0
        server.stop()


# ioredis


@pytest.mark.needs("node")
@pytest.mark.parametrize("protocol", ["2", "3"])
def test_ioredis(proxy, prefix, protocol):
    if not os.path.isdir(os.path.join(kit.NODE_MODULES, "ioredis")):
        pytest.skip("ioredis is not installed")
    kind = "sharded" if "sharded" in prefix else "embedded"
    assert kit.node("ioredis.js", proxy.port, prefix, kind, protocol).strip() == "ok"


# the default, without any argument


def test_without_arguments_it_is_a_cache(stack):
    """`nuthatch` alone listens on 22121, over the embedded cache."""
    taken = [port for port in (22121, 22222, 22220, 4150, 4151) if kit.accepts(port)]
    if taken:
        pytest.skip(f"somebody listens on {taken}")
    program = kit.Program("default", [kit.BINARY], [22121], stack.path)
    try:
        if not program.is_ready() and "already in use" in program.output():
            pytest.skip("somebody has taken a port of the default meanwhile")
        with client(program) as r:
            assert r.set("k", "v") is True and r.get("k") == b"v"
        # It says so once it listens.
        kit.until(lambda: "redis-cli -p 22121" in program.output(), program.output)
    finally:
        assert program.stop() == 0 or "already in use" in program.output()
