"""What applications use Redis through: Celery, BullMQ, Django's cache and redis-py's lock, through the proxy to a real server and
on the embedded cache."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import kit

redis = pytest.importorskip("redis")

pytestmark = pytest.mark.needs("redis-server")


@pytest.fixture(scope="module", params=["proxy", "embedded"])
def target(request, stack):
    """A pool over one server, or the embedded cache; `kind` says which."""
    path = stack.path / request.param
    path.mkdir()
    servers = [stack.keep(kit.start_redis("r", path))] if request.param == "proxy" else []
    program = stack.keep_proxy(kit.start_native(path, "redis", servers, allow='["flush"]'))
    program.kind = request.param
    return program


def url(target, db=0):
    return f"redis://127.0.0.1:{target.port}/{db}"


def test_django_cache(target):
    django = pytest.importorskip("django")
    from django.core.cache.backends.redis import RedisCache

    assert django
    cache = RedisCache(url(target), {"KEY_PREFIX": "app"})
    cache.clear()
    assert cache.get("k") is None and cache.add("k", {"a": [1, 2]}) and not cache.add("k", 1)
    assert cache.get("k") == {"a": [1, 2]} and cache.has_key("k") and cache.touch("k", 100)
    cache.set("n", 1)
    assert cache.incr("n", 5) == 6 and cache.decr("n") == 5
    with pytest.raises(ValueError):
        cache.incr("nothing")
    many = {f"many{n}": n for n in range(200)}
    assert cache.set_many(many, timeout=60) == []
    assert cache.get_many([*many, "nothing"]) == many
    cache.delete_many(list(many)[:100])
    assert len(cache.get_many(many)) == 100
    assert cache.get_or_set("lazy", lambda: "made") == "made" and cache.delete("lazy") and not cache.delete("lazy")
    cache.set("short", 1, timeout=0.05)
    kit.until(lambda: cache.get("short") is None, "a value whose time is over is gone")
    cache.clear()
    assert cache.get_many(many) == {}


def test_redis_py_lock(target):
    with redis.Redis(port=target.port) as r:
        lock = r.lock("lock", timeout=10)
        assert lock.acquire(blocking=False) and not r.lock("lock").acquire(blocking=False)
        assert lock.extend(5) and lock.reacquire() and lock.owned()
        lock.release()
        with pytest.raises(redis.exceptions.LockError):
            lock.release()
        held, most, count = [0], [0], [0]

        def work():
            for _ in range(20):
                with r.lock("shared", timeout=10, sleep=0.001):
                    held[0] += 1
                    most[0] = max(most[0], held[0])
                    count[0] += 1
                    held[0] -= 1

        threads = [threading.Thread(target=work) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert (most[0], count[0]) == (1, 100)


APP = """
import celery
app = celery.Celery("app", broker=URL, backend=URL)
app.conf.update(worker_prefetch_multiplier=1, task_acks_late=True, broker_connection_retry_on_startup=True, result_expires=60)

@app.task
def add(a, b):
    return a + b

@app.task(bind=True, max_retries=2)
def flaky(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return self.request.retries

@app.task
def total(numbers):
    return sum(numbers)
"""


def test_celery(target, stack):
    """A worker of another process: results over publish/subscribe, a group, a chord, a retry, remote control."""
    pytest.importorskip("celery")
    path = stack.path / f"celery-{target.kind}"
    path.mkdir()
    (path / "app.py").write_text(f"URL = {url(target)!r}\n{APP}")
    sys.path.insert(0, str(path))
    log = (path / "worker.log").open("w")
    command = [sys.executable, "-m", "celery", "-A", "app", "worker", "--pool", "threads", "-c", "4", "--without-heartbeat", "-l", "info"]
    worker = subprocess.Popen(command, cwd=path, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "C_FORCE_ROOT": "1"})
    try:
        import app
        from celery import chord, group

        assert app.add.delay(2, 3).get(timeout=60) == 5
        results = group(app.add.s(n, n) for n in range(50))().get(timeout=60)
        assert results == [2 * n for n in range(50)]
        assert chord(app.add.s(n, 1) for n in range(10))(app.total.s()).get(timeout=60) == 55
        assert app.flaky.delay().get(timeout=60) == 2
        assert [list(reply.values())[0] for reply in app.app.control.ping(timeout=10, limit=1)] == [{"ok": "pong"}]
    except Exception:
        print((path / "worker.log").read_text()[-3000:])
        raise
    finally:
        sys.path.remove(str(path))
        # The next target's module has the same name.
        sys.modules.pop("app", None)
        worker.terminate()
        try:
            worker.wait(20)
        except subprocess.TimeoutExpired:
            worker.kill()
        log.close()


@pytest.mark.needs("node")
def test_bullmq(target):
    """Jobs with delays, priorities and retries, events, and a flow of parents and children."""
    if not (Path(kit.NODE_MODULES) / "bullmq").is_dir():
        pytest.skip("bullmq is not installed")
    assert kit.node("bullmq.js", target.port).strip() == "ok"
