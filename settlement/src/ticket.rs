//! Ticket codes: what a ticket's holder shows at the door, checkable without a network.
//!
//! A code is the ticket's id and an Ed25519 signature over it and its event. Chosen over random
//! text because an entrance needs only the public key, because a code can be made again from the
//! ticket's id, and because a signature cannot be guessed. The event is signed but not in the code:
//! an entrance knows where it stands, and a ticket for another event fails there.

use chassis::base64url;
use chassis::keys::{Ed25519Key, verify_ed25519};
use schema::{EventId, OrderId, TicketId};

/// Separates these signatures from any others under the same key, and names the format.
const DOMAIN: &[u8] = b"usher ticket 1";

const ID_BYTES: usize = 19;
const CODE_BYTES: usize = ID_BYTES + 64;

/// Makes the code of a ticket: 111 letters of base64url.
///
/// `issue` counts the codes of one ticket: a transfer makes the old one void.
pub fn ticket_code(key: &Ed25519Key, event: &EventId, ticket: TicketId, issue: u8) -> String {
    let id = id_bytes(ticket, issue);
    let signature = key.sign(&message(event, &id));
    base64url::encode(&[id.as_slice(), &signature].concat())
}

/// A code as it was read, of which nothing is known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketCode {
    pub ticket: TicketId,
    pub issue: u8,
    signature: [u8; 64],
}

impl TicketCode {
    /// Reads a code; `None` for text that is none.
    pub fn parse(code: &str) -> Option<Self> {
        let bytes: [u8; CODE_BYTES] = base64url::decode(code)?.try_into().ok()?;
        let (id, signature) = bytes.split_at(ID_BYTES);
        let order = OrderId(u128::from_be_bytes(id[..16].try_into().expect("16 bytes")));
        let line = u16::from_be_bytes(id[16..18].try_into().expect("2 bytes"));
        let signature = signature.try_into().expect("64 bytes");
        Some(Self { ticket: TicketId { order, line }, issue: id[18], signature })
    }

    /// Whether the code was made for this event by the holder of the key. Whether it is still the
    /// ticket's last one, only the database knows.
    pub fn is_genuine(&self, public: &[u8; 32], event: &EventId) -> bool {
        let id = id_bytes(self.ticket, self.issue);
        verify_ed25519(public, &message(event, &id), &self.signature)
    }
}

fn id_bytes(ticket: TicketId, issue: u8) -> [u8; ID_BYTES] {
    let mut id = [0; ID_BYTES];
    id[..16].copy_from_slice(&ticket.order.0.to_be_bytes());
    id[16..18].copy_from_slice(&ticket.line.to_be_bytes());
    id[18] = issue;
    id
}

fn message(event: &EventId, id: &[u8]) -> Vec<u8> {
    let event = event.as_str().as_bytes();
    let event_bytes = u8::try_from(event.len()).expect("an event id has at most 24 bytes");
    [DOMAIN, &[event_bytes], event, id].concat()
}

#[cfg(test)]
mod tests {
    use super::{TicketCode, ticket_code};
    use chassis::keys::KeyFolder;
    use schema::{EventId, OrderId, TicketId};

    #[test]
    fn a_code_opens_the_entrances_of_its_event_only_and_no_changed_code_does() {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyFolder::open(folder.path()).unwrap().ed25519("ticket").unwrap();
        let (here, there): (EventId, EventId) =
            ("EVT001".parse().unwrap(), "EVT002".parse().unwrap());
        let ticket = TicketId { order: OrderId(u128::MAX - 5), line: 3 };
        let code = ticket_code(&key, &here, ticket, 1);
        assert_eq!(code.len(), 111);
        assert_eq!(code, ticket_code(&key, &here, ticket, 1), "derivable from the ticket's id");
        let read = TicketCode::parse(&code).unwrap();
        assert_eq!((read.ticket, read.issue), (ticket, 1));
        assert!(read.is_genuine(&key.public, &here));
        assert!(!read.is_genuine(&key.public, &there));
        assert_ne!(code, ticket_code(&key, &here, ticket, 2), "another issue, another code");
        for at in 0..code.len() {
            let other = if &code[at..=at] == "A" { "B" } else { "A" };
            let changed = format!("{}{other}{}", &code[..at], &code[at + 1..]);
            let read = TicketCode::parse(&changed);
            let opens = read.is_some_and(|read| read.is_genuine(&key.public, &here));
            assert!(!opens, "letter {at}");
        }
    }
}
