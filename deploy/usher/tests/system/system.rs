//! What a test does to a system, whether its stages share a process or not.

use crate::up::Reach;
use chassis::Which;

pub trait System {
    /// How to speak with it.
    fn reach(&self) -> Reach;

    /// kill -9 of a server; resolves when it answers again.
    async fn kill_server(&self, server: Which);

    /// kill -9 of these processes of Usher at once; resolves when they serve again.
    async fn kill(&mut self, processes: &[&str]);

    /// kill -9 of every process, and of every server too; resolves when all serve again.
    async fn kill_everything(&mut self);
}
