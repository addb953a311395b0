//! The numbers of `INCRBYFLOAT`: C's `long double` on x86-64, with which Redis computes, printed as `%.17Lf`.
//!
//! It has a 64-bit mantissa, 11 bits more than an `f64`. Without them `0.1` would come back as
//! `0.10000000000000001`, which justifies the code: parsing (decimal and hexadecimal, correctly rounded), one
//! addition, printing. Numbers beyond the format's range are refused as in Redis.

mod big;
mod number;
mod parse;
mod print;

pub(super) use number::LongDouble;

impl LongDouble {
    /// Parses `text` as `strtold` does. None for everything that is not entirely a number: empty, surrounded
    /// by white space, NaN, out of range.
    pub(super) fn parse(text: &[u8]) -> Option<LongDouble> {
        parse::parse(text)
    }
}

impl std::fmt::Display for LongDouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&print::human(*self))
    }
}

#[cfg(test)]
mod tests {
    use super::LongDouble;

    fn parse(text: &str) -> Option<LongDouble> {
        LongDouble::parse(text.as_bytes())
    }

    fn sum(a: &str, b: &str) -> String {
        let (a, b) = (parse(a).expect("a number"), parse(b).expect("a number"));
        a.add(b).map_or("not finite".into(), |sum| sum.to_string())
    }

    #[test]
    fn sums() {
        let cases = [
            ("0", "0.1", "0.1"),
            ("10.5", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("0.1", "0.2", "0.3"),
            ("1", "-1", "0"),
            ("-0.0", "0", "0"),
            ("3", "1e-18", "3"),
            ("3.0", "-3.5", "-0.5"),
            ("1e20", "9", "100000000000000000008"),
            ("18446744073709551615", "1", "18446744073709551616"),
            ("18446744073709551616", "1", "18446744073709551616"),
            ("18446744073709551616", "3", "18446744073709551620"),
            ("0x10", "0x.8p1", "17"),
            ("0x1p-1", "0", "0.5"),
            ("1e-17", "0", "0.00000000000000001"),
            ("4e-18", "0", "0"),
            ("+1.", ".5", "1.5"),
            ("inf", "1", "not finite"),
            ("-Infinity", "inf", "not finite"),
            ("1.18e4932", "1.18e4932", "not finite"),
        ];
        for (a, b, want) in cases {
            assert_eq!(sum(a, b), want, "{a} + {b}");
            assert_eq!(sum(b, a), want, "{b} + {a}");
        }
    }

    #[test]
    fn what_is_no_number() {
        let long = format!("1{}", "0".repeat(6000));
        let wrong = [
            "",
            " 1",
            "1 ",
            "1e",
            "1e+",
            "0x",
            "0xg",
            "--1",
            "+-1",
            ".",
            "e1",
            "nan",
            "-nan(1)",
            "infi",
            "1,5",
            "1_0",
            "1e5000",
            "-1e999999999999999999999",
            "1e-5000",
            "0x1p99999",
            "1\0",
            "0x1p",
            long.as_str(),
        ];
        for text in wrong {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert!(parse("0e999999999999999999999").is_some());
        assert!(parse(&format!("0.{}1", "0".repeat(4000))).is_some());
    }

    #[test]
    fn large_numbers_print_all_their_digits() {
        let digits = sum("1e4932", "0");
        assert_eq!(digits.len(), 4933);
        assert!(digits.starts_with("10000000000000000000"), "{}", &digits[..40]);
        assert_eq!(sum("1e25", "0"), "10000000000000000000000000");
    }
}
