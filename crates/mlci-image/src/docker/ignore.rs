//! `.dockerignore`, as BuildKit reads it (moby/patternmatcher; Docker's reference, ".dockerignore file").
//!
//! Written here, since no maintained crate has these rules: the crates for `.gitignore` do not look into an excluded
//! folder for exceptions, which is what people use them for here.

/// Which paths of a build context are left out.
#[derive(Debug, Default)]
pub(super) struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    tokens: Vec<Token>,
    exception: bool,
}

#[derive(Debug, PartialEq)]
enum Token {
    /// This character.
    Char(char),
    /// `?`: one character that is no slash.
    One,
    /// `*`: any number of them.
    Some,
    /// `**/`: nothing, or anything that ends with a slash.
    Folders,
    /// `**` at the end: anything.
    Rest,
    /// `[a-c]` or `[^a-c]`.
    Class(bool, Vec<(char, char)>),
}

impl Ignore {
    /// Reads the file, or gives the line that is wrong, counted from 1, and why.
    pub(super) fn parse(text: &str) -> Result<Self, (usize, &'static str)> {
        let mut rules = Vec::new();
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let trimmed = line.trim();
            if line.starts_with('#') || trimmed.is_empty() {
                continue;
            }
            let (exception, pattern) = match trimmed.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, trimmed),
            };
            if pattern.is_empty() {
                return Err((number + 1, "`!` stands alone: write the path that is not to be left out after it"));
            }
            let tokens = tokens(&clean(pattern)).map_err(|problem| (number + 1, problem))?;
            rules.push(Rule { tokens, exception });
        }
        Ok(Self { rules })
    }

    /// Whether a path, relative to the context and with `/` between its parts, is left out. The last rule that matches it
    /// or a folder above it decides.
    pub(super) fn excludes(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        let above: Vec<Vec<char>> = ends.filter_map(|end| Some(path.get(..end)?.chars().collect())).collect();
        let decides = self.rules.iter().rev().find(|rule| above.iter().any(|path| matches(&rule.tokens, path)));
        decides.is_some_and(|rule| !rule.exception)
    }

    /// Whether something in an excluded folder may be wanted after all.
    pub(super) fn has_exceptions(&self) -> bool {
        self.rules.iter().any(|rule| rule.exception)
    }
}

/// Without `.`, `..`, doubled slashes and slashes at the ends, as Go's `filepath.Clean` and the reader of the file do.
fn clean(pattern: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if pattern.starts_with('/') => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn tokens(pattern: &str) -> Result<Vec<Token>, &'static str> {
    let mut tokens = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(character) = rest.next() {
        tokens.push(match character {
            '*' if rest.peek() == Some(&'*') => {
                rest.next();
                if rest.peek() == Some(&'/') {
                    rest.next();
                }
                if rest.peek().is_none() { Token::Rest } else { Token::Folders }
            }
            '*' => Token::Some,
            '?' => Token::One,
            '\\' => Token::Char(rest.next().ok_or("it ends with a backslash: write `\\\\` for the character itself")?),
            '[' => class(&mut rest)?,
            character => Token::Char(character),
        });
    }
    Ok(tokens)
}

fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Token, &'static str> {
    const OPEN: &str = "`[` has no `]`: write `\\[` for the character itself";

    let negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    let next = |rest: &mut std::iter::Peekable<std::str::Chars<'_>>| match rest.next() {
        Some('\\') => rest.next().ok_or(OPEN),
        Some(character) => Ok(character),
        None => Err(OPEN),
    };
    loop {
        if rest.peek() == Some(&']') && !ranges.is_empty() {
            rest.next();
            return Ok(Token::Class(negated, ranges));
        }
        let low = next(rest)?;
        let high = if rest.next_if_eq(&'-').is_some() { next(rest)? } else { low };
        if high < low {
            return Err("a range in `[…]` runs backwards: write the lower character first");
        }
        ranges.push((low, high));
    }
}

/// Whether the whole path matches, in time proportional to both lengths: `reached` are the places in the path to which
/// the tokens so far can lead.
fn matches(tokens: &[Token], path: &[char]) -> bool {
    let mut reached = vec![false; path.len() + 1];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    for token in tokens {
        let mut next = vec![false; path.len() + 1];
        let mut open = false;
        for (at, here) in reached.iter().enumerate() {
            // What was read last, if anything.
            let before = at.checked_sub(1).and_then(|before| path.get(before));
            let from_before = at.checked_sub(1).and_then(|before| reached.get(before)) == Some(&true);
            let Some(place) = next.get_mut(at) else { continue };
            *place = match token {
                Token::Char(character) => from_before && before == Some(character),
                Token::One => from_before && before.is_some_and(|read| *read != '/'),
                Token::Class(negated, ranges) => {
                    let inside = |read: &char| ranges.iter().any(|(low, high)| (low..=high).contains(&read));
                    from_before && before.is_some_and(|read| *read != '/' && inside(read) != *negated)
                }
                Token::Some => {
                    open = *here || (open && before.is_some_and(|read| *read != '/'));
                    open
                }
                Token::Rest => {
                    open |= *here;
                    open
                }
                Token::Folders => {
                    let behind_slash = open && before == Some(&'/');
                    open |= *here;
                    *here || behind_slash
                }
            };
        }
        reached = next;
    }
    reached.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(file: &str, excluded: &[&str], included: &[&str]) {
        let ignore = Ignore::parse(file).unwrap();
        for path in excluded {
            assert!(ignore.excludes(path), "{file:?} leaves out {path}");
        }
        for path in included {
            assert!(!ignore.excludes(path), "{file:?} keeps {path}");
        }
    }

    /// Case A12: what other tools got wrong.
    #[test]
    fn exceptions_inside_of_excluded_folders() {
        check(
            "*\n!docker/*/Dockerfile\n",
            &["README", "docker", "docker/x", "docker/application", "docker/application/x", "docker/a/b/Dockerfile"],
            &["docker/application/Dockerfile"],
        );
        check(
            "dir\n!dir*/file1\n!dir/file2\n",
            &["dir", "dir/file3", "dir/x/file1"],
            &["dir/file1", "dir/file2", "dir2/file3", "file1"],
        );
        // An exception is for everything below, and the last line wins.
        check("target\n!target/keep\ntarget/keep/not", &["target/x", "target/keep/not/x"], &["target/keep/a/b"]);
    }

    #[test]
    fn the_patterns_of_the_reference() {
        check("*/temp*", &["somedir/temporary.txt", "somedir/temp", "somedir/temp/x"], &["temp", "a/b/temp"]);
        check("*/*/temp*", &["a/b/temporary.txt"], &["a/temp", "a/b/c/temp"]);
        check("temp?", &["tempa", "tempb/x"], &["temp", "tempab", "a/tempa"]);
        check("**/*.go", &["main.go", "a/main.go", "a/b/main.go"], &["main.gob", "go"]);
        check("a/**/b", &["a/b", "a/x/b", "a/x/y/b/z"], &["a/xb", "ab", "x/a/b"]);
        check("a/**", &["a/b", "a/b/c"], &["a", "b/a/c"]);
        check("**", &["a", "a/b"], &[]);
        check("**/node_modules", &["node_modules/x", "a/node_modules/x"], &["a/node_modulesx"]);
        check("*.md\n!README*.md\nREADME-secret.md", &["x.md", "README-secret.md"], &["README.md", "a/x.md"]);
        check("[a-c]?[^x]", &["abc", "cxa"], &["dbc", "abx", "a/c"]);
        check("a\\*b\n\\!c", &["a*b", "!c"], &["axb", "c"]);
        check("/foo\n./bar/\nx//y\na/../z", &["foo", "bar/b", "x/y", "z"], &["a/foo", "a"]);
        check("\u{feff}# a comment\n\n  spaced  \n #not", &["spaced", "#not"], &["# a comment", "a"]);
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        for (file, line, words) in [
            ("a\n!\n", 2, "stands alone"),
            ("[a", 1, "has no `]`"),
            ("[]", 1, "has no `]`"),
            ("\n[c-a]", 2, "runs backwards"),
            ("a\\", 1, "ends with a backslash"),
        ] {
            let (number, problem) = Ignore::parse(file).unwrap_err();
            assert!(number == line && problem.contains(words), "{file:?}: {number} {problem}");
        }
    }

    /// A pattern that makes backtracking matchers exponential.
    #[test]
    fn many_stars_are_no_trap() {
        let ignore = Ignore::parse(&format!("{}b", "a*".repeat(200))).unwrap();
        assert!(!ignore.excludes(&"a".repeat(2000)));
    }
}
