"""Client libraries in cluster mode against pools that pretend to be a cluster: over one server, over several, over a real cluster, and
as two proxies that share the slots. The `redis` crate is in `rust_clients/redis_rs.rs`."""

from pathlib import Path

import pytest
import redis
from redis.cluster import ClusterNode, RedisCluster

import kit

pytestmark = pytest.mark.needs("redis-server")


def start(stack, name, servers, ports, own):
    peers = [f"127.0.0.1:{port}" for port in ports]
    text = f'[pool.p]\nlisten = "127.0.0.1:{own}"\nservers = {servers}\npretend_cluster = true\n'
    if len(ports) > 1:
        text += f"pretend_cluster_peers = {peers}\n"
    return kit.start_configured(stack, name, text, [own])


@pytest.fixture(scope="module")
def servers(stack):
    return [kit.start_redis(f"redis{n}", stack.path) for n in range(3)]


@pytest.fixture(scope="module")
def alone(stack, servers):
    """One proxy over three servers."""
    port = kit.free_port()
    start(stack, "alone", [f"127.0.0.1:{server.port}" for server in servers], [port], port)
    return [port]


@pytest.fixture(scope="module")
def pair(stack, servers):
    """Two proxies over the same servers."""
    ports = [kit.free_port(), kit.free_port()]
    for n, port in enumerate(ports):
        start(stack, f"peer{n}", [f"127.0.0.1:{server.port}" for server in servers], ports, port)
    return ports


@pytest.fixture(params=["alone", "pair"])
def ports(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py(ports, protocol):
    prefix = f"py{len(ports)}{protocol}"
    nodes = [ClusterNode("127.0.0.1", ports[0])]
    with RedisCluster(startup_nodes=nodes, protocol=protocol, decode_responses=True) as client:
        assert sorted(node.port for node in client.get_primaries()) == sorted(ports)
        for n in range(50):
            assert client.set(f"{prefix}:{n}", n)
        assert [client.get(f"{prefix}:{n}") for n in range(50)] == [str(n) for n in range(50)]
        assert client.mget_nonatomic([f"{prefix}:{n}" for n in range(50)]) == [str(n) for n in range(50)]
        with client.pipeline() as pipeline:
            for n in range(50):
                pipeline.incr(f"{prefix}:{n}")
            assert pipeline.execute() == [n + 1 for n in range(50)]
        assert client.eval("return redis.call('get', KEYS[1])", 1, f"{prefix}:7") == "8"
        pipeline = client.pipeline(transaction=True)
        pipeline.incr(f"{{{prefix}}}n").incr(f"{{{prefix}}}n")
        assert pipeline.execute() == [1, 2]
        # Every node has all keys.
        assert set(client.scan_iter(match=f"{prefix}:*", count=20)) == {f"{prefix}:{n}" for n in range(50)}
        with client.pubsub() as pubsub:
            pubsub.subscribe(f"{prefix}channel")
            kit.until(lambda: (pubsub.get_message(timeout=1) or {}).get("type") == "subscribe", "the acknowledgement")
            client.publish(f"{prefix}channel", "hello")
            kit.until(lambda: (pubsub.get_message(timeout=1) or {}).get("data") == "hello", "the message")
        assert client.cluster_keyslot("foo") == 12182
        info = client.cluster_info(target_nodes=RedisCluster.RANDOM)
        assert info["cluster_state"] == "ok"


def test_redis_py_reads_from_replicas_that_there_are_not(alone):
    with RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", alone[0])], read_from_replicas=True) as client:
        assert client.set("replica", "v") and client.get("replica") == b"v"


def test_ioredis(ports):
    assert kit.node("ioredis_cluster.js", ports[0], f"io{len(ports)}", len(ports)).strip() == "ok"


def test_node_redis(ports):
    assert kit.node("node_redis_cluster.js", ports[0], f"nr{len(ports)}", len(ports)).strip() == "ok"


# It has builds for some machines only.
@pytest.mark.skipif(not (Path(kit.NODE_MODULES) / "@valkey/valkey-glide").exists(), reason="@valkey/valkey-glide is not installed")
def test_valkey_glide(ports):
    assert kit.node("valkey_glide_cluster.js", ports[0], f"vg{len(ports)}").strip() == "ok"


def test_what_nodes_say_of_themselves(pair):
    views = []
    for port in pair:
        with redis.Redis(port=port, decode_responses=True) as client:
            connection = client.connection_pool.get_connection()

            def say(*words, connection=connection):
                connection.send_command(*words)
                return connection.read_response()

            views.append(say("CLUSTER", "SLOTS"))
            nodes = say("CLUSTER", "NODES").splitlines()
            own = next(line for line in nodes if "myself" in line)
            assert own.startswith(say("CLUSTER", "MYID")) and f"127.0.0.1:{port}@" in own
            assert len(say("CLUSTER", "SHARDS")) == 2 and say("CLUSTER", "LINKS") == []
            assert [say(word) for word in ("READONLY", "READWRITE", "ASKING")] == ["OK"] * 3
            assert "cluster_enabled:1" in say("INFO", "cluster")
            with pytest.raises(redis.ResponseError):
                say("CLUSTER", "FORGET", "x")
            client.connection_pool.release(connection)
    assert views[0] == views[1] and len(views[0]) == 2
