//! The machine and the source, as far as they can be known from here.

/// Cores, memory, kernel and processor, in one line.
pub fn machine() -> String {
    "unknown".to_owned()
}

/// The commit of the source that this program was built from, or `unknown`.
pub fn commit() -> String {
    "unknown".to_owned()
}
