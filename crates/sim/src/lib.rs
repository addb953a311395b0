//! Seed-driven simulation of the data plane; hostile peers; oracles.
