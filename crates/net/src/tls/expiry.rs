//! The end of a certificate's validity.
//!
//! ```text
//! validity ▸ SEQUENCE ▸ notBefore · notAfter        UTCTime YYMMDDhhmmssZ | GeneralizedTime YYYYMMDDhhmmssZ
//! ```

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::der::{self, SEQUENCE};

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The time, seconds since 1970, at which the first certificate of a PEM file expires. None if it has none, or none whose dates can
/// be read.
pub fn expiry(pem: &[u8]) -> Option<i64> {
    let certificates = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
    certificates.filter_map(|certificate| not_after(&certificate)).min()
}

fn not_after(certificate: &[u8]) -> Option<i64> {
    let mut validity = der::from_validity(certificate)?.enter(SEQUENCE)?;
    validity.next()?;
    let (kind, text) = validity.next()?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match kind {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year = number(year)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (number(year)?, rest)
        }
        _ => return None,
    };
    if rest.len() != 10 || !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |at: usize| number(&rest[at..at + 2]);
    let (month, day) = (part(0)?, part(2)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    Some(days(year, month, day) * 86_400 + part(4)? * 3600 + part(6)? * 60 + part(8)?)
}

fn number(digits: &str) -> Option<i64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years begin in March here, so that a leap day is a year's last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(year: i32, month: u8, day: u8) -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(["a".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(year, month, day);
        parameters.self_signed(&key).unwrap().pem().into_bytes()
    }

    #[test]
    fn the_first_to_expire_counts() {
        for (year, month, day, seconds) in [
            (2024, 2, 29, 1_709_164_800),
            (2049, 12, 31, 2_524_521_600),
            (2050, 1, 1, 2_524_608_000),
            (1999, 1, 1, 915_148_800),
        ] {
            assert_eq!(expiry(&until(year, month, day)), Some(seconds), "{year}-{month}-{day}");
        }
        assert_eq!(expiry(&[until(2050, 1, 1), until(2024, 2, 29)].concat()), Some(1_709_164_800));
        assert_eq!(expiry(b""), None);
        assert_eq!(expiry(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), None);
    }
}
