"""Clients that take without giving: each pipelines GETs of a large key and never reads a reply.

    attackers.py PORT CLIENTS BYTES

Run in a process of its own, so that it does not disturb what is measured beside it. Each client sends `BYTES` bytes as far as
it may; a line `sending` tells that all are connected. It ends when its standard input does.
"""

import select
import socket
import sys

REQUEST = b"*2\r\n$3\r\nGET\r\n$5\r\nlarge\r\n"
PIECE = 1 << 18


def main(port, clients, size):
    data = REQUEST * (size // len(REQUEST))
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(clients)]
    sent = dict.fromkeys(sockets, 0)
    for client in sockets:
        client.setblocking(False)
    print("sending", flush=True)
    while True:
        readable, writable, _ = select.select([sys.stdin], list(sent), [])
        if readable:
            return
        for client in writable:
            try:
                sent[client] += client.send(data[sent[client] : sent[client] + PIECE])
            except BlockingIOError:
                continue
            except OSError:
                del sent[client]  # the proxy has closed it
                continue
            if sent[client] == len(data):
                del sent[client]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
