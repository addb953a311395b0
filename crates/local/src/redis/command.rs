//! A row of the table of commands.

use super::call::Call;
use super::fault::Fault;

/// A command, or a subcommand.
pub(super) struct Command {
    /// Lower case, as in Redis' errors.
    pub(super) name: &'static str,
    /// Number of arguments including the command's name; negative: at least that many.
    arity: isize,
    pub(super) run: fn(&mut Call<'_>) -> Result<(), Fault>,
}

impl Command {
    /// True if it may have this number of arguments, its name included.
    pub(super) fn takes(&self, count: usize) -> bool {
        match usize::try_from(self.arity) {
            Ok(exact) => count == exact,
            Err(_) => count >= self.arity.unsigned_abs(),
        }
    }
}

/// A row of a table.
pub(super) const fn row(
    name: &'static str,
    arity: isize,
    run: fn(&mut Call<'_>) -> Result<(), Fault>,
) -> Command {
    Command { name, arity, run }
}
