//! Those who commit to secrets for the draws of a room, besides the house.

use chassis::{Problem, base64url, keys::sha256};
use schema::admission::{COMMITMENT_DOMAIN, WITNESSES_MAX, Witnesses};

use crate::problems;

/// The commitments of a draw's witnesses.
///
/// Nobody commits to what another one has: whoever copied a commitment would have nothing to say
/// that is not said already, and would look like a witness.
pub fn committed(texts: &[String]) -> Result<Vec<[u8; 32]>, Problem> {
    if WITNESSES_MAX < texts.len() {
        return Err(problems::invalid("a draw has at most 8 witnesses"));
    }
    let commitments = hashes("each of witnesses", texts)?;
    let is_repeated = |(at, one)| commitments[..at].contains(one);
    if commitments.iter().enumerate().any(is_repeated) {
        return Err(problems::invalid("two of witnesses are the same"));
    }
    Ok(commitments)
}

/// Adds secrets for the draw of the cohort with `root`; those for another one are dropped, and one
/// that is known already changes nothing.
pub fn reveal(
    before: Witnesses,
    root: [u8; 32],
    secrets: &[[u8; 32]],
) -> Result<Witnesses, Problem> {
    let is_same = before.root == root;
    let mut after = Witnesses { root, ..before };
    if !is_same {
        after.secrets.clear();
    }
    for secret in secrets {
        if !after.commitments.contains(&sha256(&[COMMITMENT_DOMAIN, secret])) {
            let title = "Nobody has committed to this secret";
            let detail = "a secret is the one that is behind a commitment of a witness";
            return Err(Problem::new(409, "NOT_COMMITTED", title, detail));
        }
        if !after.secrets.contains(secret) {
            after.secrets.push(*secret);
        }
    }
    assert!(after.secrets.len() <= after.commitments.len());
    Ok(after)
}

/// Texts of 32 bytes each.
pub fn hashes(what: &str, texts: &[String]) -> Result<Vec<[u8; 32]>, Problem> {
    let read = |text: &String| base64url::decode(text).and_then(|bytes| bytes.try_into().ok());
    let hashes: Option<Vec<_>> = texts.iter().map(read).collect();
    hashes.ok_or_else(|| problems::invalid(format!("{what} is 32 bytes in base64url")))
}

#[cfg(test)]
mod tests {
    use super::{COMMITMENT_DOMAIN, Witnesses, base64url, committed, reveal, sha256};

    fn text(byte: u8) -> String {
        base64url::encode(&[byte; 32])
    }

    #[test]
    fn a_draw_has_up_to_eight_witnesses_who_differ() {
        let texts: Vec<String> = (0..9).map(text).collect();
        assert_eq!(committed(&[]).unwrap(), Vec::<[u8; 32]>::new());
        assert_eq!(committed(&texts[..8]).unwrap().len(), 8);
        for refused in [&texts[..], &[text(1), text(2), text(1)], &[text(1), "short".to_owned()]] {
            assert_eq!(committed(refused).unwrap_err().status, 422, "{refused:?}");
        }
    }

    #[test]
    fn secrets_are_those_of_the_commitments_and_for_one_root() {
        let [one, two] = [[1; 32], [2; 32]];
        let commitments = [one, two].map(|secret| sha256(&[COMMITMENT_DOMAIN, &secret])).to_vec();
        let none = Witnesses { commitments, ..Witnesses::default() };
        let first = reveal(none.clone(), [7; 32], &[two]).unwrap();
        assert_eq!(first.secrets, [two]);
        let repeated = reveal(first.clone(), [7; 32], &[two]).unwrap();
        assert_eq!(repeated, first);
        assert_eq!(reveal(first.clone(), [7; 32], &[one]).unwrap().secrets, [two, one]);
        let other = reveal(first.clone(), [8; 32], &[one]).unwrap();
        assert_eq!((other.root, other.secrets), ([8; 32], vec![one]));
        let unknown = reveal(first.clone(), [7; 32], &[one, [3; 32]]);
        assert_eq!(unknown.unwrap_err().code, "NOT_COMMITTED");
        let itself = reveal(first.clone(), [7; 32], &[first.commitments[0]]);
        assert_eq!(itself.unwrap_err().code, "NOT_COMMITTED");
    }
}
