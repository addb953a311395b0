"""A crash test's frame: its options and its seed, its clients, its faults and its exit status."""

import argparse
import contextlib
import random
import threading

import kit

# Faults that are printed; all are counted.
SHOWN = 50


def begin(description, rounds, short, more=()):
    """The options, and the generator of everything that chance decides. `short` says what --short means: (help, values by
    option). `more` are whole numbers beside --rounds and --seed, with their defaults."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rounds", rounds), *more, ("seed", None)):
        parser.add_argument(f"--{name}", type=int, default=default)
    meaning, values = short
    parser.add_argument("--short", action="store_true", help=meaning)
    options = parser.parse_args()
    if options.short:
        vars(options).update(values)
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    print(f"seed {seed} (times differ from run to run), {kit.BINARY}", flush=True)
    return options, random.Random(seed)


def end(faults):
    """Prints the faults; the exit status."""
    for fault in faults[:SHOWN]:
        print(f"FAULT {fault}")
    print(f"{len(faults)} faults")
    return 1 if faults else 0


class Worker(threading.Thread):
    """A client that connects again whenever its connection fails, until `ending` is set. A kind of worker defines `connect()` and
    `work(client)`."""

    FAILURES = (OSError,)

    def __init__(self):
        super().__init__(daemon=True)
        self.ending = threading.Event()

    def run(self):
        while not self.ending.is_set():
            with contextlib.suppress(*self.FAILURES):
                client = self.connect()
                try:
                    self.work(client)
                finally:
                    client.close()
            self.ending.wait(0.05)
