//! The name somebody probably meant.

/// A hint for a name that is none of `valid`: the nearest one, else all of them.
pub(super) fn remedy(name: &str, valid: &[&str]) -> String {
    match nearest(name, valid) {
        Some(near) => format!("did you mean {near:?}"),
        None => format!("use one of {}", valid.join(", ")),
    }
}

fn nearest<'v>(name: &str, valid: &[&'v str]) -> Option<&'v str> {
    // Half of a short name changed is another name.
    let close = (name.chars().count() / 2).min(2);
    let folded = fold(name);
    let distances = valid.iter().map(|word| (distance(&folded, &fold(word)), *word));
    distances.min().filter(|(distance, _)| *distance <= close).map(|(_, word)| word)
}

/// Letter case and underscores are the first things to go wrong.
fn fold(name: &str) -> Vec<char> {
    name.trim().chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

/// How many letters to insert, delete, replace or swap with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    // Long names are no slips of the finger, and the table below is quadratic.
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let valid = ["source_labels", "separator", "regex", "action"];
        let cases = [
            ("source_lables", Some("source_labels")),
            ("sourceLabels", Some("source_labels")),
            ("source_label", Some("source_labels")),
            ("Action", Some("action")),
            ("regexp", Some("regex")),
            ("modulus", None),
            ("x", None),
        ];
        for (name, want) in cases {
            assert_eq!(nearest(name, &valid), want, "{name}");
        }
    }
}
