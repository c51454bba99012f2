//! The memory bound of one instance, summed over all its memories and tables, and its peak.

use wasmtime::ResourceLimiter;

/// Bytes a table element costs.
const ELEMENT_BYTES: usize = size_of::<usize>();

/// Counts growth against a limit.
#[derive(Debug)]
pub(crate) struct MemoryMeter {
    limit: usize,
    table_elements: usize,
    used: usize,
    peak: usize,
    refused: bool,
}

impl MemoryMeter {
    pub(crate) fn new(limit: usize, table_elements: usize) -> Self {
        Self { limit, table_elements, used: 0, peak: 0, refused: false }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn peak(&self) -> usize {
        self.peak
    }

    /// Whether the guest asked for more than it may have.
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }

    fn grow(&mut self, more: usize) -> bool {
        let wanted = self.used.saturating_add(more);
        if wanted > self.limit {
            self.refused = true;
            return false;
        }
        self.used = wanted;
        self.peak = self.peak.max(wanted);
        true
    }
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current)))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.table_elements {
            self.refused = true;
            return Ok(false);
        }
        Ok(self.grow(desired.saturating_sub(current).saturating_mul(ELEMENT_BYTES)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_limit() {
        let mut meter = MemoryMeter::new(1000, 50);
        assert!(meter.memory_growing(0, 600, None).expect("no trap"));
        assert!(meter.table_growing(0, 50, None).expect("no trap"), "400 bytes of table fit");
        assert!(!meter.refused());
        assert!(!meter.memory_growing(0, 1, None).expect("no trap"));
        assert!(meter.refused());
        assert_eq!(meter.peak(), 1000);
        assert!(!MemoryMeter::new(10_000, 50).table_growing(0, 51, None).expect("no trap"));
    }
}
