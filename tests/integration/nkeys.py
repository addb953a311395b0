"""Keys of NATS and what they sign, for tests of logins: made by openssl."""

import base64
import binascii
import json
import subprocess
import time

# Kinds of keys, as the first letter of their names says.
ACCOUNT, OPERATOR, USER = 0, 14 << 3, 20 << 3
SEED = 18 << 3


def encode(head, raw):
    data = bytes(head) + raw
    return base64.b32encode(data + binascii.crc_hqx(data, 0).to_bytes(2, "little")).decode().rstrip("=")


class Key:
    """A pair of keys: `name` is the public one."""

    def __init__(self, directory, name, kind):
        self.file = directory / f"{name}.pem"
        made = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], check=True, capture_output=True)
        self.file.write_bytes(made.stdout)
        # Both end with the 32 bytes of the key.
        private, public = (
            subprocess.run(["openssl", "pkey", "-in", self.file, "-outform", "DER", *more], check=True, capture_output=True).stdout
            for more in ([], ["-pubout"])
        )
        self.name = encode([kind], public[-32:])
        self.seed = encode([SEED | kind >> 5, (kind & 31) << 3], private[-32:])

    def sign(self, subject, name, claims):
        """A JWT about a subject."""
        encoded = lambda data: base64.urlsafe_b64encode(data).decode().rstrip("=")
        head = {"typ": "JWT", "alg": "ed25519-nkey"}
        body = {"jti": "X", "iat": int(time.time()), "iss": self.name, "name": name, "sub": subject, "nats": claims}
        text = ".".join(encoded(json.dumps(part).encode()) for part in (head, body))
        data = self.file.with_suffix(".data")
        data.write_text(text)
        command = ["openssl", "pkeyutl", "-sign", "-inkey", self.file, "-rawin", "-in", data]
        return f"{text}.{encoded(subprocess.run(command, check=True, capture_output=True).stdout)}"


def operated(directory):
    """Lines of a configuration that trusts an operator, and credentials of a user of its account."""
    operator = Key(directory, "operator", OPERATOR)
    account = Key(directory, "account", ACCOUNT)
    user = Key(directory, "user", USER)
    system = Key(directory, "system", ACCOUNT)
    open_limits = ["subs", "data", "payload", "imports", "exports", "conn", "leaf", "mem_storage", "disk_storage", "streams", "consumer"]
    limits = {name: -1 for name in open_limits} | {"wildcards": True}
    # JetStream is for accounts with limits of storage, and not for the system's.
    of_system = {name: limit for name, limit in limits.items() if name not in ("mem_storage", "disk_storage", "streams", "consumer")}
    accounts = ", ".join(
        f'{key.name}: {operator.sign(key.name, name, {"limits": its, "type": "account", "version": 2})}'
        for key, name, its in ((account, "account", limits), (system, "system", of_system))
    )
    lines = f"""
operator: {operator.sign(operator.name, "operator", {"type": "operator", "version": 2})}
system_account: {system.name}
resolver: MEMORY
resolver_preload: {{ {accounts} }}
"""
    jwt = account.sign(user.name, "user", {"pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1, "type": "user", "version": 2})
    credentials = f"""-----BEGIN NATS USER JWT-----
{jwt}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
{user.seed}
------END USER NKEY SEED------
"""
    return lines, credentials
