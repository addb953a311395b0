//! The oracle: replies of clients against the lists that there are.

use std::collections::BTreeSet;

use super::Chaos;

impl Chaos {
    /// Checks what the clients have been told against what there is.
    pub(super) fn check(&self) {
        for (key, list) in &self.lists {
            let distinct: BTreeSet<&u64> = list.iter().collect();
            assert_eq!(distinct.len(), list.len(), "{key} has a number twice: {list:?}");
            for client in &self.clients {
                let of = |number: &&u64| **number / 1_000_000 == (client.next - 1) / 1_000_000;
                assert!(list.iter().filter(of).is_sorted(), "{key} is out of order: {list:?}");
            }
        }
        for client in &self.clients {
            assert!(client.unread.is_empty(), "{} bytes were never taken", client.unread.len());
            let said = self.c.w.sent(client.conn);
            let mut lines = said.split("\r\n");
            for (key, numbers) in &client.sent {
                let list = self.lists.get(key).map_or(&[][..], Vec::as_slice);
                let mut next =
                    || lines.next().filter(|line| !line.is_empty()).expect("a reply to each request");
                let places = match &numbers[..] {
                    [] => {
                        let line = next();
                        let len = line.strip_prefix(':').and_then(|len| len.parse::<usize>().ok());
                        assert!(line.starts_with('-') || len.is_some_and(|len| len <= list.len()), "{line}");
                        continue;
                    }
                    [_] => vec![next()],
                    _ => {
                        assert_eq!([next(), next(), next()], ["+OK", "+QUEUED", "+QUEUED"]);
                        let line = next();
                        if line == "*2" { vec![next(), next()] } else { vec![line] }
                    }
                };
                if places.iter().all(|place| place.starts_with(':')) {
                    for (place, number) in places.iter().zip(numbers) {
                        let place: usize = place[1..].parse().expect("a place");
                        assert_eq!(
                            list.get(place - 1),
                            Some(number),
                            "{key}: acknowledged at {place}: {list:?}"
                        );
                    }
                } else {
                    assert!(places[0].starts_with('-'), "{places:?}");
                    let there = numbers.iter().filter(|number| list.contains(number)).count();
                    assert!(there == 0 || there == numbers.len(), "{key}: half a transaction: {numbers:?}");
                }
                if let [first, second] = numbers[..]
                    && let Some(at) = list.iter().position(|number| *number == first)
                {
                    assert_eq!(list.get(at + 1), Some(&second), "{key}: something got between: {list:?}");
                }
            }
            assert_eq!(lines.filter(|line| !line.is_empty()).count(), 0, "a reply too many");
        }
        let census = self.c.w.proxy.census();
        assert_eq!((census.detours, self.c.w.proxy.gathers.open_count()), (0, 0));
        assert_eq!(census.held, census.held_counted);
    }
}
