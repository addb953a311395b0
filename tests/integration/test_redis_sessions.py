"""What a Redis client's session has besides its requests, through the binary: databases, scripts that servers have lost, pauses, monitors,
its address. Each with redis-py over real servers."""

import hashlib
import signal
import threading
import time

import pytest

import kit

redis = pytest.importorskip("redis")

pytestmark = pytest.mark.needs("redis-server")

SCRIPT = "return redis.call('incrby', KEYS[1], ARGV[1])"
SHA = hashlib.sha1(SCRIPT.encode()).hexdigest()


@pytest.fixture(scope="module")
def servers(stack):
    return [stack.keep(kit.start_redis(f"r{n}", stack.path)) for n in range(3)]


@pytest.fixture(scope="module")
def proxy(stack, servers):
    return stack.keep_proxy(kit.start_native(stack.path, "redis", servers, databases=16, allow='["admin", "flush"]', hash_tag='"{}"'))


@pytest.fixture
def prefix(request):
    return f"{request.node.name}:"


def client(program, **options):
    return redis.Redis(port=program.port, decode_responses=True, **options)


def connections(servers):
    total = 0
    for server in servers:
        with client(server) as direct:
            total += direct.info("stats")["total_connections_received"]
    return total


@pytest.mark.parametrize("protocol", [2, 3])
def test_databases_are_apart_and_share_their_connections(proxy, servers, prefix, protocol):
    # The hash of pools puts keys that differ at their end only on one server.
    keys = [f"{n}{prefix}" for n in range(20)]
    clients = [client(proxy, db=n % 4, protocol=protocol) for n in range(40)]
    for n, r in enumerate(clients):
        r.mset(dict.fromkeys(keys, n % 4))
    for n, r in enumerate(clients):
        assert r.mget(keys) == [str(n % 4)] * 20
    for server in servers:
        for db in range(4):
            with client(server, db=db) as direct:
                found = direct.mget(keys)
                assert set(found) <= {None, str(db)} and found.count(str(db)) > 0
    before = connections(servers)
    for n in range(40):
        with client(proxy, db=n % 4, protocol=protocol) as r:
            assert r.get(keys[1]) == str(n % 4)
    assert connections(servers) - before == len(servers), "nothing but our own questions"
    for r in clients:
        r.close()


def test_what_is_private_and_about_all_keys_is_of_the_database_too(proxy, prefix):
    with client(proxy, db=5) as five, client(proxy, db=6) as six:
        six.flushdb()
        five.set(prefix + "w", 1)
        with five.pipeline() as pipeline:
            pipeline.watch(prefix + "w")
            six.set(prefix + "w", "of another database")
            pipeline.multi()
            pipeline.incr(prefix + "w")
            assert pipeline.execute() == [2]
        six.rpush(prefix + "l", "x")
        assert five.blpop(prefix + "l", 0.1) is None
        assert six.blpop(prefix + "l", 0.1) == (prefix + "l", "x")
        assert six.dbsize() == 1 and six.keys() == list(six.scan_iter()) == [prefix + "w"]
        assert six.move(prefix + "w", 7) and six.dbsize() == 0
        with client(proxy, db=7) as seven:
            assert seven.get(prefix + "w") == "of another database"
        with pytest.raises(redis.ResponseError, match="out of range"):
            six.execute_command("SELECT", 16)


def test_a_script_that_a_server_has_lost_is_loaded_again(proxy, servers, prefix):
    with client(proxy) as r:
        assert r.script_load(SCRIPT) == SHA
        for server in servers:
            with client(server) as direct:
                direct.script_flush()
        keys = [f"{n}{prefix}" for n in range(50)]
        for key in keys:
            assert r.execute_command("EVALSHA", SHA, 1, key, 2) == 2
        for server in servers:
            with client(server) as direct:
                assert direct.script_exists(SHA) == [True]
        pipeline = r.pipeline(transaction=False)
        for key in keys:
            pipeline.execute_command("EVALSHA", SHA, 1, key, 3)
        assert pipeline.execute() == [5] * 50
        with r.pipeline() as transaction:
            transaction.execute_command("EVALSHA", SHA, 1, f"{prefix}{{t}}", 3)
            assert transaction.execute() == [3]
        assert r.script_flush() is True
        with pytest.raises(redis.exceptions.NoScriptError):
            r.execute_command("EVALSHA", SHA, 1, keys[0], 1)


def test_a_server_that_starts_again_gets_the_script_before_what_needs_it(stack, prefix):
    """Also within a pipeline, where nothing could be sent again."""
    path = stack.path / "again"
    path.mkdir()
    server = kit.start_redis("again", path)
    proxy = stack.keep_proxy(kit.start_native(path, "redis", [server]))
    with client(proxy) as r:
        assert r.eval(SCRIPT, 1, prefix + "k", 1) == 1
        server.kill()
        again = stack.keep(kit.Program("again", ["redis-server", "--bind", "127.0.0.1", "--save", "", "--port", server.port], [server.port], path))
        assert again.is_ready()
        kit.until(lambda: answers(r), "the server is back")
        pipeline = r.pipeline(transaction=False)
        for n in range(10):
            pipeline.execute_command("EVALSHA", SHA, 1, prefix + "k", 1)
        assert pipeline.execute() == list(range(1, 11))


@pytest.mark.parametrize("kind", ["script", "function"])
def test_a_script_that_does_not_end_is_killed(proxy, prefix, kind):
    loops = "while true do end"
    with client(proxy) as r, client(proxy) as killer:
        # A server listens to that only once it is BUSY.
        before = killer.config_get("busy-reply-threshold")
        killer.config_set("busy-reply-threshold", 10)
        failures = []

        def run():
            try:
                if kind == "script":
                    r.eval(loops, 1, prefix)
                else:
                    r.function_load(f"#!lua name=loops\nredis.register_function('loops', function() {loops} end)", replace=True)
                    r.fcall("loops", 1, prefix)
            except redis.ResponseError as error:
                failures.append(str(error))

        thread = threading.Thread(target=run)
        thread.start()

        def killed():
            try:
                return killer.script_kill() if kind == "script" else killer.execute_command("FUNCTION KILL")
            except redis.ResponseError as error:
                assert "NOTBUSY" in str(error), error
                return False

        kit.until(killed, "the script to be found")
        thread.join()
        assert len(failures) == 1 and "killed by user" in failures[0], failures
        assert r.set(prefix, "v")
        killer.config_set(*before.popitem())


def answers(r):
    try:
        return r.get("x") is None
    except redis.RedisError:
        return False


def test_a_pause_holds_requests_back(proxy, prefix):
    with client(proxy) as r, client(proxy) as other:
        assert r.client_pause(300)
        start = time.monotonic()
        assert other.set(prefix + "k", "v")
        assert time.monotonic() - start > 0.25
        assert r.client_pause(60_000, all=False)
        assert other.get(prefix + "k") == "v", "reads go on"
        done = threading.Event()
        writer = threading.Thread(target=lambda: (other.set(prefix + "k", "w"), done.set()))
        writer.start()
        assert not done.wait(0.2)
        assert r.client_unpause()
        assert done.wait(5)
        writer.join()


def test_a_monitor_sees_what_others_ask(proxy, prefix):
    with client(proxy) as r, client(proxy) as watching:
        r.ping()
        with watching.monitor() as monitor:
            r.set(prefix + "k", 'a "quoted" value')
            r.mget(prefix + "k", prefix + "l")
            seen = [monitor.next_command() for _ in range(2)]
        own = r.client_info()["addr"].rsplit(":", 1)
        for line, command in zip(seen, [f'SET {prefix}k a "quoted" value', f"MGET {prefix}k {prefix}l"], strict=True):
            assert line["command"] == command and line["db"] == 0
            assert [line["client_address"], line["client_port"]] == own


def test_settings_that_clients_change_are_the_ones_they_see(proxy, servers):
    with client(proxy) as r, client(servers[0]) as one, client(servers[2]) as other:
        before = r.config_get("timeout")
        try:
            r.config_set("timeout", 77)
            assert [it.config_get("timeout")["timeout"] for it in (r, one, other)] == ["77"] * 3
        finally:
            r.config_set("timeout", before["timeout"])
        assert r.config_get("databases") == {"databases": "16"}
        assert "requirepass" not in r.config_get("*")


def test_a_list_of_clients_says_how_old_and_idle_they_are(proxy):
    with client(proxy, client_name="old") as old, client(proxy) as r:
        old.object("encoding", "none")
        kit.until(lambda: r.client_info()["age"] >= 1, "a second")
        (entry,) = [entry for entry in r.client_list() if entry["name"] == "old"]
        assert int(entry["age"]) >= 1 and int(entry["idle"]) >= 1 and entry["cmd"] == "object|encoding"
        assert entry["laddr"] == f"127.0.0.1:{proxy.port}"
        assert int(r.client_info()["idle"]) == 0
        assert r.command_getkeysandflags("LPOP", "k") == [["k", ["RW", "access", "delete"]]]


def test_clients_have_ports_and_are_closed_by_them(proxy):
    with client(proxy, client_name="victim") as victim, client(proxy) as r:
        victim.ping()
        listed = {entry["name"]: entry["addr"] for entry in r.client_list()}
        address = listed["victim"]
        assert address == victim.client_info()["addr"] and address != r.client_info()["addr"]
        assert not address.endswith(":0")
        assert r.client_kill_filter(addr=address) == 1
        assert "victim" not in {entry["name"] for entry in r.client_list()}
        with pytest.raises(redis.ResponseError, match="No such client"):
            r.client_kill(address)


@pytest.fixture
def replicated(stack, tmp_path):
    """A proxy in front of a server with a replica that has everything."""
    master = stack.keep(kit.start_redis("master", tmp_path, "--repl-diskless-sync-delay", 0))
    replica = stack.keep(kit.start_redis("replica", tmp_path, "--replicaof", "127.0.0.1", master.port))
    with client(replica) as direct:
        kit.until(lambda: direct.info("replication")["master_link_status"] == "up", "the replica is connected")
    return stack.keep_proxy(kit.start_native(tmp_path, "redis", [master], timeout='"2s"')), master, replica


def test_wait_counts_the_replicas_that_have_what_was_written(replicated):
    proxy, master, replica = replicated
    with client(proxy) as r, client(replica) as there:
        for n in range(50):
            r.set("k", n)
            assert r.wait(1, 10_000) == 1
            assert there.get("k") == str(n), "it is there when WAIT says so"
        with r.pipeline(transaction=False) as pipe:
            pipe.set("k", "piped").wait(1, 10_000)
            assert pipe.execute() == [True, 1] and there.get("k") == "piped"
        took = []
        for n in range(20):
            r.set("k", n)
            began = time.monotonic()
            r.wait(1, 10_000)
            took.append(time.monotonic() - began)
        print(f"WAIT 1 took {sorted(took)[10] * 1000:.1f} ms in the middle")
        assert r.wait(2, 50) == 1 and r.wait(0, 0) == 1
        # A replica that has stopped has nothing of what comes.
        replica.process.send_signal(signal.SIGSTOP)
        try:
            r.set("k", "stopped")
            assert r.wait(1, 100) == 0
            answers = []
            waiting = threading.Thread(target=lambda: answers.append(r.wait(1, 0)))
            waiting.start()
            with client(proxy) as other:
                kit.until(lambda: [one for one in other.client_list() if one["flags"] == "b"], "it waits")
                # Nobody else waits for it.
                assert all(other.set("other", n) for n in range(100)) and answers == []
        finally:
            replica.process.send_signal(signal.SIGCONT)
        waiting.join(30)
        assert answers == [1] and there.get("k") == "stopped"
        with pytest.raises(redis.ResponseError, match="timeout is negative"):
            r.wait(1, -1)
    with client(master) as direct:
        assert direct.info("stats")["total_connections_received"] < 20, "private connections are used again"
