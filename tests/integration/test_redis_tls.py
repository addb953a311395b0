"""Topologies over TLS: a Redis Cluster whose nodes speak TLS only, and Sentinels that speak TLS and ask for a user."""

import shutil

import pytest

import kit

redis = pytest.importorskip("redis")

pytestmark = [pytest.mark.needs("redis-server"), pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl")]

PASSWORD = "s3cret-of-servers"
SENTINEL_PASSWORD = "s3cret-of-sentinels"
SLOTS = 16384


def tls_options(files, authority):
    cert, key = files
    return {
        "port": 0, "tls-cert-file": cert, "tls-key-file": key, "tls-ca-cert-file": authority.ca, "tls-replication": "yes",
        "tls-auth-clients": "no", "save": "", "bind": "127.0.0.1",
    }


def words(options):
    return [word for key, value in options.items() for word in (f"--{key}", value)]


def direct(port, authority, **options):
    return redis.Redis(
        host="127.0.0.1", port=port, ssl=True, ssl_ca_certs=str(authority.ca), decode_responses=True, socket_timeout=kit.ANSWER_SECONDS,
        **options,
    )


def say(client, *what):
    connection = client.connection_pool.get_connection()
    try:
        connection.send_command(*what)
        return connection.read_response()
    finally:
        client.connection_pool.release(connection)


@pytest.fixture(scope="module")
def files(authority):
    return authority.issue("servers")


@pytest.fixture(scope="module")
def cluster(stack, authority, files):
    """Three masters that speak TLS only, also among themselves."""
    nodes = []
    for n in range(3):
        path = stack.path / f"tls-node{n}"
        path.mkdir()

        def argv(port, bus, path=path):
            options = tls_options(files, authority) | {
                "tls-port": port, "cluster-port": bus, "cluster-enabled": "yes", "tls-cluster": "yes", "dir": path, "appendonly": "no",
                "requirepass": PASSWORD, "masterauth": PASSWORD,
            }
            return ["redis-server", *words(options)]

        program = kit.start(f"tls-node{n}", 2, argv, stack.path)
        stack.callback(program.kill)
        nodes.append((program, direct(program.ports[0], authority, password=PASSWORD)))
    for n, (_, node) in enumerate(nodes):
        say(node, "CLUSTER", "ADDSLOTSRANGE", n * SLOTS // 3, (n + 1) * SLOTS // 3 - 1)
        say(node, "CLUSTER", "SET-CONFIG-EPOCH", n + 1)
    for program, _ in nodes[1:]:
        say(nodes[0][1], "CLUSTER", "MEET", "127.0.0.1", program.ports[0], program.ports[1])
    kit.until(lambda: all("cluster_state:ok" in say(node, "CLUSTER", "INFO") for _, node in nodes), "the cluster to work")
    kit.until(lambda: all(len(say(node, "CLUSTER", "SLOTS")) == 3 for _, node in nodes), "the nodes to know each other")
    return nodes


@pytest.mark.parametrize("read_from", ["primary", "nearest"])
def test_a_cluster_that_speaks_tls_only(stack, authority, cluster, read_from):
    port = kit.free_port()
    seeds = [f"127.0.0.1:{cluster[0][0].ports[0]}"]
    text = f"""
[pool.c]
listen = "127.0.0.1:{port}"
topology = "cluster"
read_from = "{read_from}"
servers = {seeds}
server_tls = {{ ca = "{authority.ca}" }}
auth = "{PASSWORD}"
"""
    kit.start_configured(stack, f"tls-cluster-{read_from}", text, [port])
    with redis.Redis(port=port, password=PASSWORD, decode_responses=True, socket_timeout=kit.ANSWER_SECONDS) as client:
        keys = {f"{read_from}:{n}": str(n) for n in range(60)}
        assert client.mset(keys) and client.mget(list(keys)) == list(keys.values())
        assert all(node.dbsize() > 0 for _, node in cluster)
        # A redirect names the TLS port.
        slot = say(cluster[0][1], "CLUSTER", "KEYSLOT", "moved")
        ids = [say(node, "CLUSTER", "MYID") for _, node in cluster]
        owner = min(slot * 3 // SLOTS, 2)
        target = (owner + 1) % 3
        client.set("moved", "before")
        client.delete("moved")
        for at in (target, owner):
            say(cluster[at][1], "CLUSTER", "SETSLOT", slot, "NODE", ids[target])
        assert client.set("moved", "after") and client.get("moved") == "after"
        client.delete("moved")
        for at in (owner, target):
            say(cluster[at][1], "CLUSTER", "SETSLOT", slot, "NODE", ids[owner])
        kit.until(lambda: client.set("moved", "back"), "the slot to be back")
        client.delete("moved")


def test_sentinels_that_speak_tls_and_ask_for_a_user(stack, authority, files):
    nodes = []
    for n in range(2):
        def argv(port, n=n):
            options = tls_options(files, authority) | {"tls-port": port, "requirepass": PASSWORD, "masterauth": PASSWORD}
            of_master = ["--replicaof", "127.0.0.1", nodes[0].ports[0]] if n else []
            return ["redis-server", *words(options), *of_master]

        program = kit.start(f"tls-server{n}", 1, argv, stack.path)
        stack.callback(program.kill)
        nodes.append(program)
    master = direct(nodes[0].ports[0], authority, password=PASSWORD)
    kit.until(lambda: master.info("replication")["connected_slaves"] == 1, "the replica")
    sentinels = []
    for n in range(3):
        path = stack.path / f"tls-sentinel{n}.conf"

        def argv(own, path=path):
            cert, key = files
            path.write_text(
                f"port 0\ntls-port {own}\nbind 127.0.0.1\ndir {stack.path}\ntls-cert-file {cert}\ntls-key-file {key}\n"
                f"tls-ca-cert-file {authority.ca}\ntls-auth-clients no\ntls-replication yes\n"
                f"user default off\nuser proxy on >{SENTINEL_PASSWORD} allchannels +subscribe +sentinel|get-master-addr-by-name "
                "+sentinel|master +sentinel|slaves +sentinel|sentinels +sentinel|myid +ping\n"
                f"user peer on >peers allchannels +@all\nsentinel sentinel-user peer\nsentinel sentinel-pass peers\n"
                f"sentinel monitor m 127.0.0.1 {nodes[0].ports[0]} 2\nsentinel auth-pass m {PASSWORD}\n"
                "sentinel down-after-milliseconds m 1000\nsentinel failover-timeout m 3000\n"
            )
            return ["redis-server", path, "--sentinel"]

        program = kit.start(f"tls-sentinel{n}", 1, argv, stack.path)
        stack.callback(program.kill)
        sentinels.append(program)
    port = kit.free_port()
    password_file = stack.path / "sentinel-password"
    password_file.write_text(SENTINEL_PASSWORD + "\n")
    text = f"""
[pool.s]
listen = "127.0.0.1:{port}"
topology = "sentinel"
sentinels = {[f"127.0.0.1:{sentinel.port}" for sentinel in sentinels]}
masters = ["m"]
sentinel_user = "proxy"
sentinel_password_file = "{password_file}"
sentinel_tls = {{ ca = "{authority.ca}" }}
server_tls = {{ ca = "{authority.ca}" }}
auth = "{PASSWORD}"
timeout = "1s"
"""
    kit.start_configured(stack, "tls-sentinels", text, [port])
    peers = [direct(sentinel.port, authority, username="peer", password="peers") for sentinel in sentinels]

    def in_step():
        seen = [say(peer, "SENTINEL", "MASTER", "m") for peer in peers]
        return all((int(one["num-other-sentinels"]), int(one["num-slaves"])) == (2, 1) for one in seen)

    kit.until(in_step, "Sentinels that know each other and the replica")
    with redis.Redis(port=port, password=PASSWORD, decode_responses=True, socket_timeout=kit.ANSWER_SECONDS, retry=None) as client:
        def works(value):
            try:
                return client.set("k", value) and client.get("k") == value
            except redis.RedisError:
                return False

        kit.until(lambda: works("before"), "the master to be found")
        assert master.get("k") == "before"
        replica = direct(nodes[1].ports[0], authority, password=PASSWORD)
        kit.until(lambda: replica.get("k") == "before", "the replica to have it")
        say(peers[0], "SENTINEL", "FAILOVER", "m")
        kit.until(lambda: works("after") and replica.get("k") == "after", "the pool to follow the failover")
