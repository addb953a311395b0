"""The pictures of the README: a process under load with a failed server, drawn by a headless Chromium.

    NUTHATCH_BIN=target/release/nuthatch NUTHATCH_NODE_MODULES=… python tests/pages/pictures.py [MINUTES [DIRECTORY]]

The load runs for MINUTES (10, what the charts of the first page show) before the pictures are drawn into DIRECTORY (docs); elsewhere
than in docs all pages are drawn as well, whole, for a phone and a desk, light and dark. Not a test: somebody has to look at them."""

import contextlib
import math
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))

import kit  # noqa: E402
import redis  # noqa: E402
from browser import Browser  # noqa: E402

PICTURES = {"page": "/", "page-pool": "/pools/sessions", "page-topics": "/topics", "page-channel": "/topics/orders/billing"}
OTHERS = {
    "pools": "/pools",
    "server": "/pools/sessions/redis-1",
    "server-failed": "/pools/sessions/redis-3",
    "slowlog": "/slowlog/sessions",
    "keys": "/keys/sessions",
    "topic": "/topics/orders",
    "channel-lonely": "/topics/orders/mail",
    "messages": "/messages/orders/mail",
    "settings": "/settings/orders",
    "counter": "/counter",
    "events": "/events",
    "configuration": "/configuration",
    "runbook": "/runbook",
}
WIDTH, HEIGHT = 1280, 860
SCREENS = [(390, False), (390, True), (1440, False), (1440, True)]
TOPICS = {"orders": ["billing", "mail", "audit"], "clicks": ["archive"], "signups": ["crm", "mail"], "payments": ["ledger"], "thumbnails": ["resize"]}
# Channels without a consumer, of which one is paused.
LONELY, PAUSED = {("orders", "mail")}, ("clicks", "archive")
# Per second, at the middle of the wave.
PUBLISHED = {"orders": 40, "clicks": 25, "signups": 5, "payments": 12, "thumbnails": 8}
REQUESTS = 400


class Load:
    """What clients, producers and consumers do, in threads, until it is stopped."""

    def __init__(self):
        self.until = threading.Event()
        self.threads = []
        self.begun = time.monotonic()

    def pace(self, rate):
        """Paces a loop at about `rate` per second, in waves of some minutes."""
        while not self.until.is_set():
            wave = 1 + 0.4 * math.sin((time.monotonic() - self.begun) / 40) + 0.15 * math.sin((time.monotonic() - self.begun) / 7)
            yield
            self.until.wait(1 / (rate * wave))

    def run(self, work, *arguments):
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        thread.start()
        self.threads.append(thread)

    def requests(self, port, rate):
        with contextlib.closing(redis.Redis(port=port)) as client:
            for number, _ in enumerate(self.pace(rate)):
                with contextlib.suppress(redis.RedisError):
                    # A few keys are asked for often. Of twenty that are missing nineteen are fetched elsewhere and set.
                    key = f"session:{int(random.paretovariate(0.7))}"
                    if client.get(key) is None and number % 20:
                        client.set(key, "x" * random.randrange(40, 400), ex=120)

    def publications(self, http, topic, rate):
        for number, _ in enumerate(self.pace(rate)):
            kit.fetch(http, f"/pub?topic={topic}", "POST", f'{{"id":{number},"kind":"{topic}","total":{number % 97}.50}}')

    def stop(self):
        self.until.set()
        for thread in self.threads:
            thread.join(10)


def start(stack):
    servers = [stack.keep(kit.start_redis(f"redis-{n}", stack.path)) for n in (1, 2, 3)]
    pool, local, admin, tcp, http = (kit.free_port() for _ in range(5))
    listed = ", ".join(f'"127.0.0.1:{server.port}:1 redis-{n}"' for n, server in enumerate(servers, 1))
    conf = stack.path / "nuthatch.toml"
    conf.write_text(
        f'threads = 2\n[admin]\nlisten = "127.0.0.1:{admin}"\n'
        f'[pool.sessions]\nlisten = "127.0.0.1:{pool}"\nservers = [{listed}]\nauto_eject_hosts = true\nhot_keys = true\n'
        f'[pool.fragments]\nlisten = "127.0.0.1:{local}"\nservers = ["local"]\n'
        f'[queue]\ntcp = "127.0.0.1:{tcp}"\nhttp = "127.0.0.1:{http}"\ndata_path = "{stack.path / "data"}"\n'
    )
    program = kit.Program("nuthatch", [kit.BINARY, "run", "-c", conf], [pool, local, admin, tcp, http], stack.path)
    assert program.is_ready(), program.output()
    stack.keep_proxy(program)
    for topic, channels in TOPICS.items():
        for channel in channels:
            kit.fetch(http, f"/topic/create?topic={topic}", "POST", "")
            kit.fetch(http, f"/channel/create?topic={topic}&channel={channel}", "POST", "")
    kit.fetch(http, f"/channel/pause?topic={PAUSED[0]}&channel={PAUSED[1]}", "POST", "")
    return servers, pool, local, admin, tcp, http


def consumers(stack, tcp):
    for topic, channels in TOPICS.items():
        for channel in channels:
            if (topic, channel) in LONELY:
                continue
            words = [kit.BINARY, "nsq_tail", f"--topic={topic}", f"--channel={channel}", f"--nsqd-tcp-address=127.0.0.1:{tcp}", "--max-in-flight=20"]
            for _ in range(2 if channel == "billing" else 1):
                process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                stack.callback(process.wait)
                stack.callback(process.kill)


def draw(browser, site, directory, whole):
    for name, path in PICTURES.items():
        browser.screen(WIDTH, HEIGHT)
        browser.open(f"{site}{path}")
        browser.screenshot(directory / f"{name}.png", whole=False)
    for name, path in (PICTURES | OTHERS).items() if whole else ():
        for width, dark in SCREENS:
            browser.screen(width, dark=dark)
            browser.open(f"{site}{path}")
            browser.screenshot(directory / f"{name}-{width}-{'dark' if dark else 'light'}.png")


def main():
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    directory = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "docs"
    directory.mkdir(parents=True, exist_ok=True)
    whole = directory != ROOT / "docs"
    with kit.Stack() as stack:
        servers, pool, local, admin, tcp, http = start(stack)
        consumers(stack, tcp)
        load = Load()
        for _ in range(4):
            load.run(load.requests, pool, REQUESTS / 4)
        load.run(load.requests, local, REQUESTS / 3)
        for topic, rate in PUBLISHED.items():
            load.run(load.publications, http, topic, rate)
        time.sleep(minutes * 50)
        servers[2].kill()
        servers[2].stop = lambda: 0
        stack.programs.remove(servers[2])
        time.sleep(minutes * 10)
        browser = Browser()
        try:
            draw(browser, f"http://127.0.0.1:{admin}", directory, whole)
        finally:
            browser.close()
            load.stop()


if __name__ == "__main__":
    main()
