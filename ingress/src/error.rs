//! Why this stage could not start or go on.

use chassis::Cause;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("subscribe to {subject}")]
    Subscribe { subject: String, source: Cause },
    #[error(transparent)]
    Chassis(#[from] chassis::Error),
}
