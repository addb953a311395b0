//! Events of keys, Redis' keyspace notifications: which of them are told, by the letters of
//! `notify-keyspace-events`.
//!
//! ```text
//! LPUSH k … ▸ "lpush" of the class l ▸ K: "lpush" to __keyspace@0__:k
//!                                      E: "k"     to __keyevent@0__:lpush
//! ```
//! Nothing is told unless a letter of a class and `K` or `E` are set. There is one database, 0.

/// Letters of the classes of events, in the order in which Redis shows them, and their bits.
const CLASSES: [(u8, u16); 11] = [
    (b'g', Class::GENERIC.0),
    (b'$', Class::STRING.0),
    (b'l', Class::LIST.0),
    (b's', Class::SET.0),
    (b'h', Class::HASH.0),
    (b'z', Class::SORTED_SET.0),
    (b'x', Class::EXPIRED.0),
    (b'e', Class::EVICTED.0),
    (b't', Class::STREAM.0),
    // Types of modules, of which there are none.
    (b'd', 1 << 9),
    (b'n', Class::NEW.0),
];
/// Letters of the channels.
const CHANNELS: [(u8, u16); 2] = [(b'K', KEYSPACE), (b'E', KEYEVENT)];
const KEYSPACE: u16 = 1 << 11;
const KEYEVENT: u16 = 1 << 12;
/// The classes of the letter `A`.
const ALL: u16 = (1 << 10) - 1;

/// A class of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Class(u16);

impl Class {
    /// Of keys of any type: `DEL`, `EXPIRE`, `RENAME`.
    pub(crate) const GENERIC: Class = Class(1);
    pub(crate) const STRING: Class = Class(1 << 1);
    pub(crate) const LIST: Class = Class(1 << 2);
    pub(crate) const SET: Class = Class(1 << 3);
    pub(crate) const HASH: Class = Class(1 << 4);
    pub(crate) const SORTED_SET: Class = Class(1 << 5);
    pub(crate) const STREAM: Class = Class(1 << 6);
    /// The end of a key's time to live.
    pub(crate) const EXPIRED: Class = Class(1 << 7);
    /// A key that made room for another.
    pub(crate) const EVICTED: Class = Class(1 << 8);
    /// A key that was not there before.
    pub(crate) const NEW: Class = Class(1 << 10);
}

/// The events that are told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Told(u16);

impl Told {
    /// Reads the letters; None if one is unknown. `m`, misses, is unknown here.
    pub(crate) fn parse(letters: &[u8]) -> Option<Told> {
        let bit = |letter: &u8| match letter {
            b'A' => Some(ALL),
            letter => CLASSES.iter().chain(&CHANNELS).find(|(known, _)| known == letter).map(|(_, bit)| *bit),
        };
        letters.iter().map(bit).try_fold(0, |all, bit| Some(all | bit?)).map(Told)
    }

    /// The letters, as Redis shows them.
    pub(crate) fn letters(self) -> String {
        let is_all = self.0 & ALL == ALL;
        let is_shown = |bit: u16| self.0 & bit != 0 && !(is_all && bit & ALL != 0);
        let shown = CLASSES.iter().chain(&CHANNELS).filter(|(_, bit)| is_shown(*bit));
        let all = is_all.then_some('A').into_iter();
        all.chain(shown.map(|(letter, _)| char::from(*letter))).collect()
    }

    /// True if anything is told at all.
    #[inline]
    pub(crate) fn is_any(self) -> bool {
        self.0 & (KEYSPACE | KEYEVENT) != 0
    }

    /// True if events of a class are told.
    pub(crate) fn has(self, class: Class) -> bool {
        self.is_any() && self.0 & class.0 != 0
    }

    /// The messages of an event of a key: channel and text.
    pub(crate) fn messages<'e>(
        self,
        event: &'e str,
        key: &'e [u8],
    ) -> impl Iterator<Item = (Vec<u8>, &'e [u8])> {
        let to_key =
            (self.0 & KEYSPACE != 0).then(|| ([&b"__keyspace@0__:"[..], key].concat(), event.as_bytes()));
        let to_event =
            (self.0 & KEYEVENT != 0).then(|| ([&b"__keyevent@0__:"[..], event.as_bytes()].concat(), key));
        to_key.into_iter().chain(to_event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_come_back_as_redis_shows_them() {
        let cases = [
            ("", Some("")),
            ("gKE", Some("gKE")),
            ("$lshzxeKE", Some("$lshzxeKE")),
            ("KA", Some("AK")),
            ("EA", Some("AE")),
            ("Kg$lshzxetd", Some("AK")),
            ("AKEn", Some("AnKE")),
            ("nE", Some("nE")),
            ("m", None),
            ("q", None),
        ];
        for (given, shown) in cases {
            let letters = Told::parse(given.as_bytes()).map(Told::letters);
            assert_eq!(letters.as_deref(), shown, "{given}");
        }
    }

    #[test]
    fn an_event_has_a_message_for_each_kind_of_channel() {
        let told = |letters: &str| Told::parse(letters.as_bytes()).unwrap();
        let all: Vec<_> = told("KEl").messages("lpush", b"k").collect();
        let expected =
            [(b"__keyspace@0__:k".to_vec(), &b"lpush"[..]), (b"__keyevent@0__:lpush".to_vec(), b"k")];
        assert_eq!(all, expected);
        assert!(told("KEl").has(Class::LIST) && !told("KEl").has(Class::SET));
        assert!(!told("A").has(Class::LIST), "neither K nor E");
    }
}
