//! Prints docs/config.md.

fn main() {
    print!("{}", nuthatch_config::render::markdown());
}
