"""The binary with its topics on an engine, behind the options of nsqd: what the replayer of captures starts in nsqd's place.

`NATS_PORT` is where NATS listens, `NUTHATCH_BIN` the binary. A directory of data has topics of its own, which its next daemon finds
again."""

import hashlib
import os
import sys
from pathlib import Path

options = dict(word.lstrip("-").split("=", 1) for word in sys.argv[1:])
data = options["data-path"]
file = Path(data, "nuthatch.toml")
file.write_text(
    f"""
[queue]
tcp = "{options['tcp-address']}"
http = "{options['http-address']}"
data_path = "{data}"
broadcast_address = "127.0.0.1"
storage = "engine"
[engine]
servers = ["127.0.0.1:{os.environ['NATS_PORT']}"]
replicas = 1
prefix = "golden-{hashlib.sha256(data.encode()).hexdigest()[:16]}"
"""
)
binary = os.environ["NUTHATCH_BIN"]
os.execv(binary, [binary, "run", "-c", file])
