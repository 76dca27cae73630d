//! The secrets that open data channels, and the names that sessions get.

use std::hint::black_box;
use std::io;

use data_encoding::{BASE32, BASE64, HEXLOWER};
use rand::rngs::{StdRng, SysRng};
use rand::{Rng, SeedableRng};

use crate::wire::Token;

/// Whether two secrets are the same. The time it takes does not tell where they differ; their
/// lengths are no secret.
pub fn is_same(ours: &[u8], theirs: &[u8]) -> bool {
    if ours.len() != theirs.len() {
        return false;
    }
    let difference = ours.iter().zip(theirs).fold(0, |seen, (a, b)| black_box(seen | (a ^ b)));
    difference == 0
}

/// Makes tokens and session ids from a cryptographic generator that the system seeded once.
#[derive(Debug)]
pub struct Mint {
    rng: StdRng,
}

impl Mint {
    /// Seeds the generator.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn seeded_by_system() -> io::Result<Self> {
        let rng = StdRng::try_from_rng(&mut SysRng).map_err(|error| {
            io::Error::other(format!("no random seed from the system: {error}"))
        })?;
        Ok(Self { rng })
    }

    /// A token that nobody has seen: 256 random bits as 64 lower-case hexadecimal digits.
    pub fn token(&mut self) -> Token {
        let mut secret = [0; TOKEN_BYTES];
        self.rng.fill_bytes(&mut secret);
        Token::new(hex(&secret))
    }

    /// The id of an access key, a user or a role: a prefix that tells which, and 16 or 17 of the
    /// letters and digits that base32 has. It is a name and no secret.
    pub fn unique_id(&mut self, prefix: &str) -> String {
        let mut bytes = [0; 15];
        self.rng.fill_bytes(&mut bytes);
        let mut id = BASE32.encode(&bytes);
        // AWS's access keys have 20 characters, its principals 21.
        id.truncate(if matches!(prefix, "AKIA" | "ASIA") { 16 } else { 17 });
        format!("{prefix}{id}")
    }

    /// What a virtual MFA device and its service share.
    pub fn mfa_seed(&mut self) -> [u8; 20] {
        let mut seed = [0; 20];
        self.rng.fill_bytes(&mut seed);
        seed
    }

    /// A secret access key: 40 characters of base64, as AWS has them.
    pub fn secret_access_key(&mut self) -> String {
        let mut bytes = [0; 30];
        self.rng.fill_bytes(&mut bytes);
        BASE64.encode(&bytes)
    }

    /// The id of a task of ECS: 32 hexadecimal digits. It is a name and no secret.
    pub fn task_id(&mut self) -> String {
        let mut bytes = [0; 16];
        self.rng.fill_bytes(&mut bytes);
        hex(&bytes)
    }

    /// A session id in the form that AWS gives them: who started it, a hyphen, 17 lower-case
    /// hexadecimal digits. It is a name and no secret.
    pub fn session_id(&mut self, user: &str) -> String {
        let mut bytes = [0; SESSION_ID_DIGITS.div_ceil(2)];
        self.rng.fill_bytes(&mut bytes);
        let mut digits = hex(&bytes);
        digits.truncate(SESSION_ID_DIGITS);
        format!("{user}-{digits}")
    }
}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// 256 bits: the 128 that no one can guess, and as many again.
const TOKEN_BYTES: usize = 32;

const SESSION_ID_DIGITS: usize = 17;

#[cfg(test)]
mod tests {
    use super::*;

    fn mint() -> Mint {
        Mint::seeded_by_system().expect("the system has random bytes")
    }

    #[test]
    fn a_secret_is_the_same_as_itself_and_nothing_else() {
        let token = mint().token();
        let secret = token.expose().as_bytes();
        assert!(is_same(secret, secret));

        assert!(!is_same(secret, b""));
        assert!(!is_same(secret, &secret[1..]));
        assert!(!is_same(secret, &[secret, b"0"].concat()));
        for at in [0, 31, 63] {
            let mut changed = secret.to_vec();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            assert!(!is_same(secret, &changed), "digit {at} must count");
        }
    }

    #[test]
    fn tokens_are_long_differ_and_hide_in_debug_output() {
        let mut mint = mint();
        let (one, two) = (mint.token(), mint.token());
        assert_eq!(one.expose().len(), 64);
        assert!(one.expose().bytes().all(|b| b.is_ascii_hexdigit()));
        assert_ne!(one, two);
        assert!(!format!("{one:?}").contains(one.expose()));
    }

    #[test]
    fn two_mints_do_not_agree() {
        assert_ne!(mint().token(), mint().token());
    }

    #[test]
    fn a_session_id_has_the_form_of_aws() {
        let id = mint().session_id("local");
        let digits = id.strip_prefix("local-").expect("begins with its user");
        assert_eq!(digits.len(), 17);
        assert!(digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
    }
}
