//! Counters that one thread writes and others read. Adding is a load and a store, never a read-modify-write; whole cache
//! lines belong to one worker, so that workers do not slow each other down.

use std::sync::atomic::{AtomicU64, Ordering};

const PER_LINE: usize = 8;

#[derive(Debug, Default)]
#[repr(align(64))]
struct Line([AtomicU64; PER_LINE]);

/// A fixed number of counters.
#[derive(Debug)]
pub(super) struct Cells {
    lines: Box<[Line]>,
}

impl Cells {
    pub(super) fn new(count: usize) -> Self {
        Self { lines: (0..count.div_ceil(PER_LINE)).map(|_| Line::default()).collect() }
    }

    /// Adds `change`, which may be negative in two's complement. A cell that does not exist counts nothing.
    pub(super) fn add(&self, index: usize, change: u64) {
        if let Some(cell) = self.cell(index) {
            add(cell, change);
        }
    }

    pub(super) fn value(&self, index: usize) -> u64 {
        self.cell(index).map_or(0, |cell| cell.load(Ordering::Relaxed))
    }

    fn cell(&self, index: usize) -> Option<&AtomicU64> {
        self.lines.get(index / PER_LINE)?.0.get(index % PER_LINE)
    }
}

/// Adds to a cell that this thread alone writes.
pub(super) fn add(cell: &AtomicU64, change: u64) {
    cell.store(cell.load(Ordering::Relaxed).wrapping_add(change), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_count_each_for_itself() {
        let cells = Cells::new(9);
        cells.add(0, 2);
        cells.add(8, 5);
        cells.add(8, 1_u64.wrapping_neg());
        cells.add(16, 1);
        assert_eq!([0, 1, 8, 16].map(|index| cells.value(index)), [2, 0, 4, 0]);
    }

    #[test]
    fn cells_of_two_workers_never_share_a_cache_line() {
        assert_eq!((size_of::<Line>(), align_of::<Line>()), (64, 64));
    }
}
