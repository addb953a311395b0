//! A range of addresses, such as `127.0.0.1/8`.

use std::net::IpAddr;

/// The range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    bits: u32,
}

impl Cidr {
    /// Parses a range; `None` if it is invalid.
    pub fn parse(text: &str) -> Option<Cidr> {
        let (address, bits) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let digits = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits = bits.parse().ok().filter(|bits| digits && *bits <= width(address))?;
        Some(Cidr { address, bits })
    }

    /// True if the range contains an address. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let shift = width(self.address) - self.bits;
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (range, address, inside) in [
            ("127.0.0.1/8", "127.255.0.9", true),
            ("127.0.0.1/8", "128.0.0.1", false),
            ("127.0.0.1/8", "::1", false),
            ("127.0.0.1/8", "::ffff:127.0.0.1", true),
            ("10.1.2.3/32", "10.1.2.3", true),
            ("10.1.2.3/32", "10.1.2.2", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("::/0", "fe80::1", true),
            ("::1/128", "::1", true),
            ("fe80::/10", "fec0::1", false),
        ] {
            assert_eq!(
                Cidr::parse(range).unwrap().contains(address.parse().unwrap()),
                inside,
                "{range} {address}"
            );
        }
        for bad in [
            "",
            "junk",
            "127.0.0.1",
            "127.0.0.1/",
            "127.0.0.1/33",
            "127.0.0.1/-1",
            "127.0.0.1/+8",
            "::/129",
            "h/8",
        ] {
            assert_eq!(Cidr::parse(bad), None, "{bad}");
        }
    }
}
