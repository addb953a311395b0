//! One small daemon that routes cache traffic and holds messages.

fn main() {}
