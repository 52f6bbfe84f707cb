//! The header lines of a request, wherever it was read.

use http::{HeaderMap, HeaderName};
use httparse::Header;

/// Header lines, by name.
#[derive(Debug, Clone, Copy)]
pub enum Lines<'a> {
    /// As hyper has sorted them.
    Map(&'a HeaderMap),
    /// As they came. To look through some ten of them takes less than to sort them first.
    Raw(&'a [Header<'a>]),
}

impl<'a> Lines<'a> {
    /// Returns the value of the first line with that name.
    pub fn first(self, name: &HeaderName) -> Option<&'a [u8]> {
        match self {
            Lines::Map(map) => map.get(name).map(http::HeaderValue::as_bytes),
            Lines::Raw(lines) => {
                let line = lines.iter().find(|line| is_named(line, name))?;
                Some(line.value)
            }
        }
    }

    /// Returns the value of the first line with that name, if it is text as [`http::HeaderValue`]
    /// has it: visible ASCII, spaces and tabs.
    pub fn text(self, name: &HeaderName) -> Option<&'a str> {
        let value = self.first(name)?;
        let is_text = value.iter().all(|&byte| matches!(byte, b' '..=b'~' | b'\t'));
        std::str::from_utf8(value).ok().filter(|_| is_text)
    }

    /// Returns the values of all lines with that name, in their order.
    pub fn all(self, name: &HeaderName) -> Vec<&'a [u8]> {
        match self {
            Lines::Map(map) => map.get_all(name).iter().map(http::HeaderValue::as_bytes).collect(),
            Lines::Raw(lines) => {
                let named = lines.iter().filter(|line| is_named(line, name));
                named.map(|line| line.value).collect()
            }
        }
    }
}

impl<'a> From<&'a HeaderMap> for Lines<'a> {
    fn from(map: &'a HeaderMap) -> Lines<'a> {
        Lines::Map(map)
    }
}

pub(super) fn is_named(line: &Header<'_>, name: &HeaderName) -> bool {
    line.name.eq_ignore_ascii_case(name.as_str())
}

#[cfg(test)]
mod tests {
    use super::Lines;
    use http::{HeaderMap, HeaderName};
    use httparse::Header;

    #[test]
    fn lines_are_found_by_name_whoever_has_read_them() {
        let written = [("x-a", "1"), ("x-b", "2"), ("x-a", "3")];
        let raw: Vec<Header<'_>> =
            written.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
        let shouted = [Header { name: "X-A", value: b"1" }];
        let mut map = HeaderMap::new();
        for (name, value) in written {
            map.append(name, value.parse().expect("a value"));
        }
        let name = HeaderName::from_static;
        for lines in [Lines::Raw(&raw), Lines::from(&map)] {
            assert_eq!(lines.first(&name("x-a")), Some(b"1".as_slice()));
            assert_eq!(lines.all(&name("x-a")), [b"1", b"3"]);
            assert_eq!(lines.first(&name("x-c")), None);
            assert_eq!(lines.all(&name("x-c")), [b""; 0]);
        }
        for (value, is_text) in [("a\tb c~", true), ("\u{fc}", false), ("\u{a0}a", false)] {
            let raw = [Header { name: "x-t", value: value.as_bytes() }];
            map.insert("x-t", http::HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
            for lines in [Lines::Raw(&raw), Lines::from(&map)] {
                assert_eq!(lines.text(&name("x-t")).is_some(), is_text, "{value:?}");
            }
            assert_eq!(map["x-t"].to_str().is_ok(), is_text, "{value:?}");
        }
        assert_eq!(Lines::Raw(&shouted).first(&name("x-a")), Some(b"1".as_slice()));
    }
}
