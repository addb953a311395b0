"""Conversations that were recorded with nsqd, with topics on an engine.

The captures and their replayer are not part of this repository: see xtask/src/test/golden.rs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import kit
from nats import SERVER, start_nats

GOLDEN = Path(os.environ.get("NUTHATCH_GOLDEN", kit.ROOT.parent / "shared" / "golden"))

pytestmark = [
    pytest.mark.needs(SERVER),
    pytest.mark.skipif(kit.IS_ORIGINAL, reason="the binary is nutcracker"),
    pytest.mark.skipif(not (GOLDEN / "replay").is_dir(), reason="the captures are not there"),
]

# docs/engine.md, "What differs".
STATISTICS = "what waits at the engine is told every few seconds, and counters are those of the node"
DIFFERENT = {
    "v2-pub-1m": "the engine takes a mebibyte with headers",
    "v2-pub-many-pipelined": STATISTICS,
    "v2-mpub-malformed-creates": STATISTICS,
    "v2-msg-timeout-identify": STATISTICS,
    "v2-pipeline-fatal-mid": STATISTICS,
    "v2-pipeline-consume": STATISTICS,
    "v2-empty-channel-queued": STATISTICS,
    "v2-ephemeral-channel": STATISTICS,
    "v2-restart-deferred": STATISTICS,
    "v2-stats-anon-client": STATISTICS,
    "v2-restart": "what was in flight comes first after a restart",
    "v2-heartbeat-sub": "the channel is created at the engine first, and the time until the heartbeat runs meanwhile",
}


def cases():
    """Ids of conversations about topics with a daemon that has no options of its own, which this one may not have."""
    for line in (GOLDEN / "nsqd_v2.jsonl").read_text().splitlines():
        case = json.loads(line)
        is_plain = not any(daemon.get("flags") or daemon.get("answers") for daemon in case["daemons"])
        if is_plain and re.search(r"PUB |SUB |topic/", json.dumps(case["steps"])) and case["id"] not in DIFFERENT:
            yield case["id"]


def test_conversations_are_those_of_nsqd(stack):
    server = stack.keep(start_nats(stack))
    ids = list(cases())
    assert len(ids) > 100, ids
    replayer = [sys.executable, GOLDEN / "replay" / "replay_nsq.py", "--any-version", "--json-semantic", "--skip-runtime-text"]
    adapter = f"{sys.executable} {Path(__file__).parent / 'on_engine.py'}"
    selection = ["--jobs", "4", "--retries", "1", "--nsqd", adapter, "--only", f"^({'|'.join(ids)})$", GOLDEN / "nsqd_v2.jsonl"]
    environment = {**os.environ, "NATS_PORT": str(server.port), "NUTHATCH_BIN": str(kit.BINARY), "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run([*replayer, *selection], env=environment, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr
    assert f"{len(ids)} passed, 0 failed" in ended.stdout, ended.stdout[-500:]
