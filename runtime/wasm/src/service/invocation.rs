//! `invocation`: facts about the running call.

use crate::bindings::logboom::extension::invocation::Host;
use crate::guest::Guest;

impl Host for Guest {
    fn request_id(&mut self) -> String {
        self.call.request_id.clone()
    }

    fn function_name(&mut self) -> String {
        self.call.function_name.clone()
    }

    fn function_version(&mut self) -> String {
        self.call.version.clone()
    }

    fn remaining_ms(&mut self) -> u64 {
        self.deadline_us.saturating_sub(self.clock.monotonic_us()) / 1000
    }

    fn memory_limit_bytes(&mut self) -> u64 {
        self.memory.limit() as u64
    }
}
