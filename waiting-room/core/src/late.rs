//! The late lane: people who were skipped as gone and came back.

/// How many from the line are called for each one from the late lane, while both wait.
///
/// One in four: a returner waits little, and whoever stayed is not overtaken by a crowd.
const LINE_CALLS_A_RETURNER: u32 = 3;

/// Shares calls between the line and the late lane.
#[derive(Debug, Clone)]
pub struct LateShare {
    line_calls: u32,
}

impl Default for LateShare {
    /// The first returner is called at once.
    fn default() -> Self {
        Self { line_calls: LINE_CALLS_A_RETURNER }
    }
}

impl LateShare {
    /// How many of `limit` calls go to the `late_waiting`; all, if nobody waits in line.
    pub fn of(&self, limit: u32, late_waiting: u32, line_waits: bool) -> u32 {
        let owed = if line_waits {
            // The calls of this batch count too, or large batches would serve one returner each.
            let share = limit / (LINE_CALLS_A_RETURNER + 1);
            share.max(self.line_calls / LINE_CALLS_A_RETURNER)
        } else {
            limit
        };
        owed.min(limit).min(late_waiting)
    }

    pub fn called(&mut self, line: u32, late: u32) {
        let paid = late.saturating_mul(LINE_CALLS_A_RETURNER);
        let owed = self.line_calls.saturating_add(line).saturating_sub(paid);
        // At most one returner is owed: the lane saves no more than the line does.
        self.line_calls = owed.min(LINE_CALLS_A_RETURNER);
    }
}
