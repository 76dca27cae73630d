//! Virtual MFA devices: a code of six digits every thirty seconds, after RFC 6238.

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::{BASE32_NOPAD, DecodeError};
use ring::hmac;
use zeroize::Zeroizing;

use crate::local::token::{Mint, is_same};

/// A device. Each of its codes is good once.
#[derive(Debug, Clone)]
pub struct MfaDevice {
    /// `arn:aws:iam::ACCOUNT:mfa/NAME`, or whatever the account file calls it.
    pub serial: String,
    seed: Seed,
    /// The steps whose codes were used, as far as they could still be good.
    used: Vec<u64>,
}

/// What the device and the service share.
#[derive(Clone)]
pub struct Seed(Zeroizing<Vec<u8>>);

impl MfaDevice {
    /// A device that nobody has used.
    pub fn new(serial: String, seed: Seed) -> Self {
        Self { serial, seed, used: Vec::new() }
    }

    /// Whether `code` is the code of this moment, the one before or the next, and was not used.
    /// It is used then.
    pub fn take(&mut self, code: &str, now: SystemTime) -> bool {
        let step = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / STEP;
        let steps = step.saturating_sub(1)..=step + 1;
        self.used.retain(|used| steps.contains(used));
        // Every code is compared, so that the time it takes tells nothing.
        let mut found = None;
        for step in steps {
            if is_same(self.seed.code(step).as_bytes(), code.as_bytes()) {
                found = Some(step);
            }
        }
        match found {
            Some(step) if !self.used.contains(&step) => {
                self.used.push(step);
                true
            }
            _ => false,
        }
    }
}

impl Seed {
    /// A seed that nobody has seen.
    pub fn new(mint: &mut Mint) -> Self {
        Self(Zeroizing::new(mint.mfa_seed().to_vec()))
    }

    /// Reads a seed as devices take it: base32 in either case, with or without padding and spaces.
    ///
    /// # Errors
    /// When it is not base32.
    pub fn read(text: &str) -> Result<Self, DecodeError> {
        let bare: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '=')).collect();
        let bytes = BASE32_NOPAD.decode(bare.to_ascii_uppercase().as_bytes())?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// As text, for a device.
    pub fn text(&self) -> String {
        BASE32_NOPAD.encode(&self.0)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The code of a step.
    pub(in crate::local) fn code(&self, step: u64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let at = usize::from(tag.last().copied().unwrap_or_default() & 0xf);
        let word = tag.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
        format!("{:06}", (u32::from_be_bytes(word) & 0x7fff_ffff) % 1_000_000)
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// Seconds for which a code is good.
const STEP: u64 = 30;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn seed() -> Seed {
        // The RFC's own: the text 12345678901234567890.
        Seed::read("gezd gnbv gy3t qojq GEZDGNBVGY3TQOJQ").expect("base32")
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// The last six digits of the RFC's eight.
    #[test]
    fn the_codes_of_the_rfc() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(seed().code(seconds / STEP), code, "{seconds}");
        }
    }

    #[test]
    fn a_code_is_good_once_and_a_step_to_either_side() {
        let mut device = MfaDevice::new("serial".to_owned(), seed());
        let now = at(1_234_567_890);
        let next = seed().code(1_234_567_890 / STEP + 1);
        assert!(device.take("005924", now));
        assert!(!device.take("005924", now), "used");
        assert!(device.take(&next, now), "another one");
        assert!(!device.take(&next, now + Duration::from_secs(STEP)), "used before its time");

        for (shift, good) in [(29, true), (STEP + 29, true), (2 * STEP, false)] {
            let mut device = MfaDevice::new("serial".to_owned(), seed());
            assert_eq!(device.take("005924", now + Duration::from_secs(shift)), good, "{shift}");
        }
        let mut device = MfaDevice::new("serial".to_owned(), seed());
        assert!(device.take("005924", now - Duration::from_secs(STEP)));
        assert!(
            !MfaDevice::new(String::new(), seed())
                .take("005924", now - Duration::from_secs(2 * STEP))
        );
        for wrong in ["", "00592", "0059244", "005925"] {
            assert!(!device.take(wrong, now));
        }
    }

    #[test]
    fn seeds_are_base32() {
        assert_eq!(seed().text(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert!(Seed::read("1").is_err());
        assert!(Seed::read("").is_ok_and(|seed| seed.is_empty()));
    }
}
