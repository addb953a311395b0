"""A client of its own process that measures: PORT one|cluster KEY… It works until its input ends, then prints what requests took."""

import json
import sys
import threading
import time

import redis
from redis.cluster import ClusterNode, RedisCluster


def main():
    port, mode, *keys = sys.argv[1:]
    client = redis.Redis(port=int(port)) if mode == "one" else RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", int(port))])
    ending, times, errors = threading.Event(), [], []

    def wait():
        sys.stdin.read()
        ending.set()

    threading.Thread(target=wait, daemon=True).start()
    last = {}
    print("ready", flush=True)
    while not ending.is_set():
        for key in keys:
            begun = time.perf_counter()
            try:
                got = client.incr(f"{mode}:{{{key}}}")
            except redis.RedisError as error:
                errors.append(str(error))
                continue
            times.append((time.perf_counter() - begun) * 1000)
            if got <= last.get(key, 0):
                errors.append(f"{key} was {last[key]} and is {got}")
            last[key] = got
    times.sort()
    print(json.dumps({"count": len(times), "p50": times[len(times) // 2], "p99": times[len(times) * 99 // 100],
                      "p999": times[len(times) * 999 // 1000], "worst": times[-1], "errors": errors[:5]}))


main()
