//! Finds requests whose end two parsers may see at different places.
//!
//! A request with both `Content-Length` and `Transfer-Encoding` is how one request is smuggled
//! inside of another past a proxy. hyper removes the length before anybody sees the headers, so the
//! raw lines are looked at here.
//!
//! The watch knows no framing of its own, which could differ from hyper's. It looks at blocks: runs
//! of lines between empty lines. The header lines of a head always lie in one block, so a head with
//! both is never missed. A body that has both lines in a block taints the connection too; that
//! matters only if a request with `Transfer-Encoding` follows on it, and then costs a 400.

const LENGTH: &[u8] = b"content-length:";
const CODING: &[u8] = b"transfer-encoding:";
const PREFIX_BYTES: usize = CODING.len();

/// The watch over the bytes of one HTTP/1 connection. About 1 ns a byte.
#[derive(Default)]
pub(super) struct Framing {
    /// The first bytes of the current line.
    prefix: [u8; PREFIX_BYTES],
    prefix_len: usize,
    has_length: bool,
    has_coding: bool,
    doubtful: bool,
}

impl Framing {
    /// Looks at the next bytes. Returns whether any block so far had both lines.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.extend(&rest[..end]);
            self.end_line();
            rest = &rest[end + 1..];
        }
        self.extend(rest);
        self.doubtful
    }

    /// Begins a new block: between the bytes before and the next ones was a whole request, whose
    /// head had not both lines.
    pub(super) fn skip_request(&mut self) {
        self.prefix_len = 0;
        self.has_length = false;
        self.has_coding = false;
    }

    fn extend(&mut self, part: &[u8]) {
        let count = part.len().min(PREFIX_BYTES - self.prefix_len);
        self.prefix[self.prefix_len..self.prefix_len + count].copy_from_slice(&part[..count]);
        self.prefix_len += count;
    }

    fn end_line(&mut self) {
        let line = &self.prefix[..self.prefix_len];
        if matches!(line, b"" | b"\r") {
            self.has_length = false;
            self.has_coding = false;
        }
        self.has_length |= starts_with(line, LENGTH);
        self.has_coding |= starts_with(line, CODING);
        self.doubtful |= self.has_length && self.has_coding;
        self.prefix_len = 0;
    }
}

fn starts_with(line: &[u8], name: &[u8]) -> bool {
    line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::Framing;

    const BOTH: &str =
        "POST / HTTP/1.1\r\nContent-LENGTH: 3\r\nHost: a\r\ntransfer-encoding:chunked\r\n\r\n";

    fn doubtful(text: &str) -> bool {
        Framing::default().feed(text.as_bytes())
    }

    #[test]
    fn a_head_with_both_is_found_wherever_the_reads_cut_it() {
        for cut in 0..BOTH.len() {
            let mut framing = Framing::default();
            framing.feed(&BOTH.as_bytes()[..cut]);
            assert!(framing.feed(&BOTH.as_bytes()[cut..]), "cut at {cut}");
        }
        let mut framing = Framing::default();
        let bytes = BOTH.bytes();
        assert!(bytes.fold(false, |_, byte| framing.feed(&[byte])));
    }

    #[test]
    fn the_order_the_line_ends_and_a_body_before_do_not_matter() {
        assert!(doubtful("POST / HTTP/1.1\nTransfer-Encoding: chunked\nContent-Length: 3\n\n"));
        assert!(doubtful(&format!("POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody{BOTH}")));
    }

    #[test]
    fn one_of_them_a_head_is_not_doubtful() {
        let sized = "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
        let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        assert!(!doubtful(&[sized, chunked, sized, chunked].concat()));
        assert!(!doubtful("GET / HTTP/1.1\r\nX-Content-Length: 1\r\nTransfer-Encoding: x\r\n\r\n"));
    }
}
