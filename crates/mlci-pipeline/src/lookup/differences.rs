use std::collections::BTreeMap;

use super::table;

/// Names with their values, of one thing that is compared with another.
pub(super) type Facts = Vec<(String, String)>;

/// The rows in which two things differ: name, one value, other value; sorted by name, `-` where one has none.
pub(super) fn differences(one: &Facts, other: &Facts) -> Vec<Vec<String>> {
    let mut rows: BTreeMap<&str, [&str; 2]> = BTreeMap::new();
    for (side, facts) in [one, other].into_iter().enumerate() {
        for (name, value) in facts {
            if let Some(cell) = rows.entry(name).or_insert(["-"; 2]).get_mut(side) {
                *cell = value;
            }
        }
    }
    let differing = rows.into_iter().filter(|(_, [a, b])| a != b);
    differing.map(|(name, [a, b])| vec![name.to_owned(), a.to_owned(), b.to_owned()]).collect()
}

/// The rows as a table, or `same` where there are none.
pub(super) fn shown(rows: &[Vec<String>], names: [&str; 2], same: &str) -> String {
    let [one, other] = names;
    if rows.is_empty() { same.to_owned() } else { table(&["", one, other], rows) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_shown() {
        let facts = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let rows =
            differences(&facts(&[("a", "1"), ("b", "2"), ("c", "3")]), &facts(&[("b", "2"), ("a", "0"), ("d", "4")]));
        assert_eq!(rows, [["a", "1", "0"], ["c", "3", "-"], ["d", "-", "4"]]);
        assert_eq!(shown(&[], ["x", "y"], "the same"), "the same");
    }
}
