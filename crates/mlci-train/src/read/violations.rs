use std::collections::BTreeMap;

use super::{Problem, ProblemCount, ProblemKind, ReadError, plan::Plan};

/// How many problems an error shows, and how many are kept of each kind and column.
const SHOWN: usize = 5;

/// The problems found so far: of each kind and column how many, and the first few.
#[derive(Default)]
pub(super) struct Violations {
    /// By the position of the column; none for whole rows.
    found: BTreeMap<(Option<usize>, ProblemKind), Found>,
    total: u64,
}

#[derive(Default)]
struct Found {
    count: u64,
    first: Vec<Problem>,
}

impl Violations {
    pub(super) fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Adds a problem of a column, or of a whole row. It is made only if it is kept.
    pub(super) fn note(&mut self, column: Option<usize>, kind: ProblemKind, problem: impl FnOnce() -> Problem) {
        self.total += 1;
        let found = self.found.entry((column, kind)).or_default();
        found.count += 1;
        if found.first.len() < SHOWN {
            found.first.push(problem());
        }
    }

    /// Takes in those of the rows after these.
    pub(super) fn append(&mut self, next: Self) {
        self.total += next.total;
        for (key, mut next) in next.found {
            let found = self.found.entry(key).or_default();
            found.count += next.count;
            found.first.append(&mut next.first);
            found.first.truncate(SHOWN);
        }
    }

    /// How many there are of a kind in a column, and the first.
    pub(super) fn of(&self, column: usize, kind: ProblemKind) -> Option<(u64, &Problem)> {
        let found = self.found.get(&(Some(column), kind))?;
        Some((found.count, found.first.first()?))
    }

    pub(super) fn into_error(self, plan: &Plan) -> ReadError {
        let counts: Vec<ProblemCount> = self
            .found
            .into_iter()
            .map(|((column, kind), Found { count, first })| {
                let column = column.map(|position| plan.name(position).to_owned());
                ProblemCount { column, kind, count, first }
            })
            .collect();
        // The first few of all are among the first few of each.
        let mut problems: Vec<Problem> = counts.iter().flat_map(|found| &found.first).cloned().collect();
        problems.sort_by_key(Problem::line);
        problems.truncate(SHOWN);
        ReadError::Problems { problems, counts, total: self.total }
    }
}
