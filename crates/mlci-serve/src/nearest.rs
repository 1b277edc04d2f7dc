/// ``; did you mean `x`?`` where one of `names` is close to `name`, else nothing.
pub(crate) fn suggestion<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> String {
    nearest(name, names).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // The distance is quadratic in the length: a name of a megabyte is no near miss of anything.
    const LONGEST: usize = 200;
    // Below this, suggestions are noise (`alcohol` for `color`).
    const CLOSE: f64 = 0.7;
    if name.len() > LONGEST {
        return None;
    }
    let simple = simplified(name);
    names
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (strsim::normalized_damerau_levenshtein(&simple, &simplified(candidate)), candidate))
        .filter(|(likeness, _)| *likeness >= CLOSE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// `Fixed Acidity`, `fixed-acidity` and `fixed_acidity` are the same to who mistypes them.
fn simplified(name: &str) -> String {
    name.trim().to_lowercase().replace(['-', ' ', '.'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_and_others() {
        let names = ["fixed acidity", "alcohol", "pH"];
        let check = |name, expected| assert_eq!(nearest(name, names.into_iter()), expected, "{name}");
        check("fixed_acidity", Some("fixed acidity"));
        check("alchohol", Some("alcohol"));
        check("ph", Some("pH"));
        check("colour", None);
        check(&"alcohol".repeat(1000), None);
    }
}
