//! "Did you mean": the known name nearest to a misspelt one.
//!
//! Distance is the number of single-character edits and swaps of neighbours (optimal string alignment).

/// The nearest of `known` to `name`, if it is near enough to be a likely intention.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(edits, candidate)| {
            *edits <= limit || candidate.replace('_', "") == name.replace(['_', '-'], "")
        })
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        rows[i][0] = i;
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn names() {
        let known = ["timeout", "hash", "hash_tag", "server_connections", "listen", "db"];
        for (written, meant) in [
            ("timout", Some("timeout")),
            ("tiemout", Some("timeout")),
            ("hsah", Some("hash")),
            ("hash-tag", Some("hash_tag")),
            ("serverconnections", Some("server_connections")),
            ("bogus", None),
            ("", None),
            ("xy", None),
        ] {
            assert_eq!(nearest(written, known), meant, "{written}");
        }
    }
}
