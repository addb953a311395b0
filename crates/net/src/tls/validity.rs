//! Validity periods of certificates, read from their files.
//!
//! ```text
//! validity ▸ SEQUENCE ▸ notBefore · notAfter        UTCTime YYMMDDhhmmssZ | GeneralizedTime YYYYMMDDhhmmssZ
//! ```

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::der::{self, SEQUENCE};

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Validity period of a certificate, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Start.
    pub begin: i64,
    /// End.
    pub end: i64,
}

impl Validity {
    /// The validity of a chain: the intersection over all certificates of a PEM file. None if none of them
    /// has readable dates.
    pub fn of_chain(pem: &[u8]) -> Option<Validity> {
        let both = |one: Validity, other: Validity| Validity {
            begin: one.begin.max(other.begin),
            end: one.end.min(other.end),
        };
        validities(pem).reduce(both)
    }

    /// The validity of the longest-valid authority in a PEM file. None as in [`Validity::of_chain`].
    pub fn of_authorities(pem: &[u8]) -> Option<Validity> {
        validities(pem).max_by_key(|validity| validity.end)
    }
}

fn validities(pem: &[u8]) -> impl Iterator<Item = Validity> {
    let certificates = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
    certificates.filter_map(|certificate| validity(&certificate))
}

fn validity(certificate: &[u8]) -> Option<Validity> {
    let mut dates = der::from_validity(certificate)?.enter(SEQUENCE)?;
    Some(Validity { begin: time(dates.next()?)?, end: time(dates.next()?)? })
}

fn time((kind, text): (u8, &[u8])) -> Option<i64> {
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

/// Days from 1970-01-01 to a Gregorian date. Years begin in March here, so that a leap day is the last day of
/// a year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(from: (i32, u8, u8), until: (i32, u8, u8)) -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(["a".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
        parameters.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
        parameters.self_signed(&key).unwrap().pem().into_bytes()
    }

    #[test]
    fn dates_before_and_after_2050() {
        for (year, month, day, seconds) in [
            (2024, 2, 29, 1_709_164_800),
            (2049, 12, 31, 2_524_521_600),
            (2050, 1, 1, 2_524_608_000),
            (1999, 1, 1, 915_148_800),
        ] {
            let pem = made((1975, 1, 1), (year, month, day));
            let wanted = Some(Validity { begin: 157_766_400, end: seconds });
            assert_eq!(Validity::of_chain(&pem), wanted, "{year}-{month}-{day}");
            assert_eq!(Validity::of_authorities(&pem), wanted, "{year}-{month}-{day}");
        }
    }

    #[test]
    fn a_chain_is_as_good_as_its_weakest_and_authorities_as_their_last() {
        let (early, late) = (made((1999, 1, 1), (2024, 2, 29)), made((2024, 2, 29), (2050, 1, 1)));
        let both = [early, b"\n".to_vec(), late].concat();
        let wanted = Validity { begin: 1_709_164_800, end: 1_709_164_800 };
        assert_eq!(Validity::of_chain(&both), Some(wanted));
        let wanted = Validity { begin: 1_709_164_800, end: 2_524_608_000 };
        assert_eq!(Validity::of_authorities(&both), Some(wanted));
        for none in [&b""[..], b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert_eq!(Validity::of_chain(none), None);
            assert_eq!(Validity::of_authorities(none), None);
        }
    }
}
