"""How a crash test begins and ends: its options and its seed, its faults and its exit status."""

import argparse
import random

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
