//! Memory account of HTTP bodies: a limit on all together, and on those of one address.
//!
//! One address gets at most half, so that it cannot shut all others out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The account.
#[derive(Debug)]
pub(crate) struct Account {
    bytes_max: usize,
    held: Mutex<HeldBytes>,
}

#[derive(Debug, Default)]
struct HeldBytes {
    all: usize,
    of_address: HashMap<String, usize>,
}

/// One body's share; released when dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    account: Arc<Account>,
    address: String,
    bytes: usize,
}

/// The account has no room for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overdrawn;

impl Account {
    /// An account of at most `bytes_max` bytes.
    pub(crate) fn new(bytes_max: usize) -> Arc<Account> {
        Arc::new(Account { bytes_max, held: Mutex::default() })
    }

    /// Opens an empty charge for `address`.
    pub(crate) fn open(self: &Arc<Account>, address: &str) -> Charge {
        Charge { account: Arc::clone(self), address: address.to_owned(), bytes: 0 }
    }

    fn held(&self) -> MutexGuard<'_, HeldBytes> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Charge {
    /// Grows the charge to `bytes` if the account allows; otherwise it is unchanged.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> Result<(), Overdrawn> {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return Ok(());
        }
        let mut held = self.account.held();
        let all = held.all.saturating_add(more);
        let of_address = held.of_address.get(&self.address).copied().unwrap_or(0).saturating_add(more);
        if all > self.account.bytes_max || of_address > self.account.bytes_max / 2 {
            return Err(Overdrawn);
        }
        held.all = all;
        held.of_address.insert(self.address.clone(), of_address);
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let mut held = self.account.held();
        held.all = held.all.saturating_sub(self.bytes);
        let left = held.of_address.get(&self.address).map_or(0, |bytes| bytes.saturating_sub(self.bytes));
        // Only addresses with a charge are tracked.
        if left == 0 {
            held.of_address.remove(&self.address);
        } else {
            held.of_address.insert(self.address.clone(), left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_is_for_one_address_all_for_all_and_everything_comes_back() {
        let account = Account::new(100);
        let mut first = account.open("a");
        assert_eq!(first.grow_to(30), Ok(()));
        let mut second = account.open("a");
        assert_eq!(second.grow_to(21), Err(Overdrawn));
        assert_eq!(second.grow_to(20), Ok(()));
        let mut others = [account.open("b"), account.open("c")];
        assert_eq!(others[0].grow_to(40), Ok(()));
        assert_eq!(others[1].grow_to(11), Err(Overdrawn));
        assert_eq!(others[1].grow_to(10), Ok(()));
        drop(first);
        assert_eq!(second.grow_to(50), Ok(()), "what one had is there for the other");
        drop((second, others));
        let held = account.held();
        assert_eq!((held.all, held.of_address.len()), (0, 0));
    }
}
