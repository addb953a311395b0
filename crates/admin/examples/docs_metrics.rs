//! Prints docs/metrics.md.

fn main() {
    print!("{}", nuthatch_admin::metrics_reference());
}
