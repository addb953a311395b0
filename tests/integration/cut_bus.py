"""Relays in front of the buses of a cluster's nodes, so that a node can be cut off from the others and from nobody else."""

import socket
import threading

# A packet of the bus: "RCmb", length, version, port, type, count, two epochs, an offset, then the id of its sender.
SENDER = slice(40, 80)


class CutBus:
    """`port_of(bus)` is where other nodes reach the bus at a port. `cut(id, bus)` cuts a node off, `heal()` ends that."""

    def __init__(self, stack):
        self.relays, self.cut_off, self.lock = {}, (None, None), threading.Lock()
        self.links = []
        stack.callback(self.end)

    def end(self):
        for server in [relay for relay, _ in self.relays.values()]:
            server.close()
        self.close(lambda _link: True)

    def options(self, _port, bus):
        return {"cluster-announce-bus-port": self.port_of(bus)}

    def port_of(self, bus):
        with self.lock:
            if bus not in self.relays:
                server = socket.create_server(("127.0.0.1", 0))
                self.relays[bus] = (server, server.getsockname()[1])
                threading.Thread(target=self.accept, args=(server, bus), daemon=True).start()
            return self.relays[bus][1]

    def cut(self, own, bus):
        self.cut_off = (own, bus)
        self.close(lambda link: own == link[0] or bus == link[1])

    def heal(self):
        self.cut_off = (None, None)

    def close(self, is_cut):
        for link in list(self.links):
            if is_cut(link):
                for end in link[2:]:
                    end.close()

    def accept(self, server, bus):
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client, bus), daemon=True).start()

    def serve(self, client, bus):
        try:
            first = b""
            while len(first) < SENDER.stop:
                got = client.recv(4096)
                if not got:
                    return
                first += got
            sender = first[SENDER].decode("latin1")
            if self.cut_off[0] == sender or self.cut_off[1] == bus:
                return
            with socket.create_connection(("127.0.0.1", bus)) as node:
                self.links.append((sender, bus, client, node))
                node.sendall(first)
                back = threading.Thread(target=self.copy, args=(node, client), daemon=True)
                back.start()
                self.copy(client, node)
                back.join()
        except OSError:
            pass
        finally:
            client.close()

    def copy(self, source, target):
        try:
            while got := source.recv(65536):
                target.sendall(got)
        except (OSError, ValueError):
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
