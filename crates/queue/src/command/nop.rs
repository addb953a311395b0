//! NOP: a sign of life, as any received byte is.

use super::Flow;
use crate::queue::Queue;

impl Queue {
    #[allow(clippy::unused_self, reason = "a method per command")]
    pub(super) fn nop(&mut self) -> Flow {
        Flow::Next
    }
}
