//! Ticket codes: what a ticket's holder shows at the door, checkable without a network.
//!
//! A code is the ticket's id and an Ed25519 signature over it and its event. Chosen over random
//! text because a gate needs only the public key, because a code can be made again from the
//! ticket's id, and because a signature cannot be guessed. The event is signed but not in the code:
//! a gate knows where it stands, and a ticket for another event fails there.

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

/// Reads a code at the gate of `event`; `None` for codes that are forged or of another event.
///
/// Whether the ticket is still valid, only the database knows.
pub fn read_ticket_code(public: &[u8; 32], event: &EventId, code: &str) -> Option<(TicketId, u8)> {
    let bytes: [u8; CODE_BYTES] = base64url::decode(code)?.try_into().ok()?;
    let (id, signature) = bytes.split_at(ID_BYTES);
    if !verify_ed25519(public, &message(event, id), signature) {
        return None;
    }
    let order = OrderId(u128::from_be_bytes(id[..16].try_into().expect("16 bytes")));
    let line = u16::from_be_bytes(id[16..18].try_into().expect("2 bytes"));
    Some((TicketId { order, line }, id[18]))
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
    use super::{read_ticket_code, ticket_code};
    use chassis::keys::KeyFolder;
    use schema::{EventId, OrderId, TicketId};

    #[test]
    fn a_code_opens_the_gate_of_its_event_only_and_no_changed_code_does() {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyFolder::open(folder.path()).unwrap().ed25519("ticket").unwrap();
        let (here, there): (EventId, EventId) =
            ("EVT001".parse().unwrap(), "EVT002".parse().unwrap());
        let ticket = TicketId { order: OrderId(u128::MAX - 5), line: 3 };
        let code = ticket_code(&key, &here, ticket, 1);
        assert_eq!(code.len(), 111);
        assert_eq!(code, ticket_code(&key, &here, ticket, 1), "derivable from the ticket's id");
        assert_eq!(read_ticket_code(&key.public, &here, &code), Some((ticket, 1)));
        assert_eq!(read_ticket_code(&key.public, &there, &code), None);
        for at in 0..code.len() {
            let other = if &code[at..=at] == "A" { "B" } else { "A" };
            let changed = format!("{}{other}{}", &code[..at], &code[at + 1..]);
            assert_eq!(read_ticket_code(&key.public, &here, &changed), None, "letter {at}");
        }
    }
}
