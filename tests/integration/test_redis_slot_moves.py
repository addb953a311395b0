"""Clients that a server knows by what they did before, while their slots move from master to master of a real Redis Cluster: those that
watch keys, that block, and that are subscribed to sharded channels. No server dies, so nothing may be lost but messages."""

import threading
import time

import pytest
import redis

import kit
from redis_cluster import Cluster, Crew, key_slot
from test_redis_cluster import client_of, start_pool
from test_redis_experiments import Crowd, Pairs, command

pytestmark = pytest.mark.needs("redis-server")

MOVES = 10


@pytest.fixture(scope="module")
def cluster(stack):
    return Cluster(stack)


@pytest.fixture(scope="module")
def pool(stack, cluster):
    return start_pool(stack, cluster, "moving", timeout='"5s"', private_connections=100)


def move_to_next(cluster, slot):
    """Moves a slot to another master than its own."""
    source = cluster.owner(slot)
    cluster.move(slot, source, next(master for master in cluster.masters if master is not source))


def test_who_watches_a_key_gets_its_transaction_whole_or_not_at_all(cluster, pool):
    # Clients with odd numbers watch.
    slots = [key_slot(f"pair{n}") for n in (1, 3)]
    with Pairs(pool) as pairs:
        pairs.wait()
        for _ in range(MOVES):
            for slot in slots:
                move_to_next(cluster, slot)
        pairs.wait()
    print(f"{2 * MOVES} moves, {pairs.done} transactions, {pairs.aborted} aborted, {pairs.unknown} with an unknown outcome")
    assert pairs.unknown == 0
    with client_of(pool) as client:
        assert all(len(set(client.mget(f"{{pair{n}}}a", f"{{pair{n}}}b"))) == 1 for n in range(6))


class Workers(Crew):
    """Clients that wait for elements of a list. A move ends their wait with an error, and they wait again."""

    def __init__(self, pool, clients=12):
        super().__init__(client_of, pool, clients)
        self.got, self.errors = [[] for _ in range(clients)], set()

    def run(self, client, n):
        while not self.ending.is_set():
            try:
                found = client.blpop("work", 0.5)
                self.got[n] += [int(found[1])] if found else []
            except redis.RedisError as error:
                self.errors.add(type(error).__name__)

    def received(self):
        return sorted(number for got in self.got for number in got)


def test_each_element_is_taken_once_by_clients_that_block(cluster, pool):
    slot, pushed = key_slot("work"), 0
    with client_of(pool) as client:
        with Workers(pool) as workers:
            for _ in range(MOVES):
                for _ in range(30):
                    client.rpush("work", *range(pushed, pushed + 5))
                    pushed += 5
                move_to_next(cluster, slot)
            client.rpush("work", pushed)
            pushed += 1
            kit.until(lambda: client.llen("work") == 0, "all elements to be taken")
        assert workers.received() == list(range(pushed))
    print(f"{MOVES} moves, {pushed} elements, errors {workers.errors}")
    assert workers.errors <= {"MovedError", "AskError"}, workers.errors


def test_sharded_subscribers_have_their_messages_after_each_move(cluster, pool):
    channels, slot = [f"{{shard}}{n}" for n in range(10)], key_slot("shard")

    def subscribe(n):
        return command("HELLO", 3) * (n % 2) + command("SSUBSCRIBE", channels[n % 10])

    with Crowd(pool.port, 0) as crowd, client_of(pool) as client:
        for n in range(50):
            crowd.add(pool.port, subscribe(n))
        crowd.read_until(lambda: all(b"ssubscribe" in got for got in crowd.got.values()), "the acknowledgements")
        crowd.got = dict.fromkeys(crowd.got, b"")
        seen, sent = {fd: [] for fd in crowd.sockets}, 0

        def publish():
            nonlocal sent
            sent += 1
            for channel in channels:
                client.execute_command("SPUBLISH", channel, f"m{sent}")

        def collect():
            for fd in crowd.read(0.01):
                whole, part = crowd.got[fd].rpartition(b"\r\n")[::2]
                assert b"subscribe" not in whole, "what the cluster does to the proxy's subscription is not the client's"
                seen[fd] += [int(line[1:]) for line in whole.split(b"\r\n") if line[:1] == b"m" and line[1:].isdigit()]
                crowd.got[fd] = part

        def all_have_the_last():
            publish()
            deadline = time.monotonic() + 0.3
            while time.monotonic() < deadline:
                collect()
                if all(got[-1:] == [sent] for got in seen.values()):
                    return True
            return False

        for _ in range(MOVES):
            moving = threading.Thread(target=move_to_next, args=(cluster, slot))
            moving.start()
            while moving.is_alive():
                publish()
                collect()
            moving.join()
            kit.until(all_have_the_last, "messages to reach all subscribers again")
        for got in seen.values():
            assert got == sorted(set(got)), "in order, and once"
        missed = sum(sent - len(got) for got in seen.values())
        print(f"{MOVES} moves, {missed} of {50 * sent} messages missed, none out of order")
