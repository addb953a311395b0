//! Users of the process: one book for pools, the queue and HTTP, so that a user's limits apply to all of them
//! together; and the desk where HTTP clients log in.

use std::sync::Arc;
use std::time::Duration;

use access::{Book, UserSpec};
use config::checked::Config;
use http::LoginDesk;

/// Users in force.
#[derive(Debug, Clone)]
pub struct ProcessUsers {
    book: Book,
    desk: Arc<LoginDesk>,
}

impl ProcessUsers {
    /// The users of a configuration.
    ///
    /// # Errors
    /// The fault; the check of the configuration finds it first.
    pub fn new(config: &Config) -> Result<ProcessUsers, String> {
        let book = Book::build(&specs(config)).map_err(|faults| faulty(&faults))?;
        let desk = Arc::new(LoginDesk::new(book.clone(), uptime));
        Ok(ProcessUsers { book, desk })
    }

    /// The users.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// The desk; it is kept when the users change.
    pub fn desk(&self) -> &Arc<LoginDesk> {
        &self.desk
    }

    /// The users of another configuration; users of the same name keep the use of their limits.
    ///
    /// # Errors
    /// As for [`ProcessUsers::new`].
    pub fn next(&self, config: &Config) -> Result<Book, String> {
        self.book.next(&specs(config)).map_err(|faults| faulty(&faults))
    }

    /// Puts these users into force.
    pub fn apply(&mut self, book: Book) {
        self.desk.set_book(book.clone());
        self.book = book;
    }
}

fn specs(config: &Config) -> Vec<UserSpec> {
    config.users.iter().map(|user| user.spec.clone()).collect()
}

fn faulty(faults: &[access::Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Time on the clock of the shards.
fn uptime() -> Duration {
    net::monotonic_now().since(net::Instant::default())
}
