//! The time of an answer, as HTTP writes it.

use std::cell::Cell;

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::clock;

/// RFC 9110, 5.6.7.
const FORMAT: &[BorrowedFormatItem<'_>] = format_description!(
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
);

/// Bytes of every such time until the year 9999.
const BYTES: usize = 29;

thread_local! {
    /// The second that was written last, and how.
    static WRITTEN: Cell<(u64, [u8; BYTES])> = const { Cell::new((u64::MAX, [0; BYTES])) };
}

/// Returns the wall clock's time. It is written once a second on each thread.
pub(super) fn now() -> [u8; BYTES] {
    let second = clock::now().0 / 1_000;
    let (known, text) = WRITTEN.get();
    if known == second {
        return text;
    }
    let text = at(second);
    WRITTEN.set((second, text));
    text
}

fn at(second: u64) -> [u8; BYTES] {
    let second = i64::try_from(second).expect("292 billion years from now");
    let time = OffsetDateTime::from_unix_timestamp(second).expect("a time before the year 9999");
    let text = time.format(FORMAT).expect("all parts of it are known");
    text.into_bytes().try_into().expect("parts of a fixed width")
}

#[cfg(test)]
mod tests {
    use super::at;

    #[test]
    fn a_time_is_written_as_the_standard_writes_its_example() {
        assert_eq!(&at(784_111_777), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(&at(0), b"Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
