//! Random histories end where a simple model in memory says.

use mlci_artifact::{Digest, Error, Store};
use proptest::prelude::*;

use crate::support::{content, label, name, publish};

#[derive(Debug, Clone)]
enum Step {
    Publish(u8),
    Promote(u64, &'static str),
    RollBack(&'static str),
}

fn step() -> impl Strategy<Value = Step> {
    let alias = || prop_oneof![Just("staging"), Just("production")];
    prop_oneof![
        (0..6_u8).prop_map(Step::Publish),
        (1..7_u64, alias()).prop_map(|(version, alias)| Step::Promote(version, alias)),
        alias().prop_map(Step::RollBack),
    ]
}

/// The digests of the versions in their order, and for each alias all its targets and the stack of those to go back to.
#[derive(Default)]
struct Expected {
    versions: Vec<Digest>,
    aliases: [(Vec<u64>, Vec<u64>); 2],
}

impl Expected {
    fn alias(&mut self, alias: &str) -> &mut (Vec<u64>, Vec<u64>) {
        &mut self.aliases[usize::from(alias == "production")]
    }

    async fn apply(&mut self, store: &Store, step: &Step) {
        match step {
            Step::Publish(model) => {
                let digest = Digest::of(&content(&model.to_string()));
                let known = self.versions.iter().position(|known| *known == digest);
                let published = publish(store, &model.to_string()).await.unwrap();
                assert_eq!(published.created, known.is_none());
                if known.is_none() {
                    self.versions.push(digest);
                }
                let index = known.unwrap_or(self.versions.len() - 1);
                assert_eq!(published.version.number, index as u64 + 1);
            }
            Step::Promote(version, alias) => {
                let result = store.promote(&name(), *version, &label(alias), "ann", "").await;
                if *version > self.versions.len() as u64 {
                    assert!(matches!(result, Err(Error::NotFound { .. })));
                } else {
                    let (history, stack) = self.alias(alias);
                    if history.last() != Some(version) {
                        history.push(*version);
                        stack.push(*version);
                    }
                    assert_eq!(result.unwrap().number, history.len() as u64);
                }
            }
            Step::RollBack(alias) => {
                let result = store.rollback(&name(), &label(alias), "ann", "").await;
                let (history, stack) = self.alias(alias);
                if stack.len() < 2 {
                    assert!(matches!(result, Err(Error::NothingToRollBack { .. })));
                } else {
                    stack.pop();
                    history.extend(stack.last());
                    let moved = result.unwrap();
                    assert_eq!((moved.number, Some(&moved.version)), (history.len() as u64, stack.last()));
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn random_histories(steps in prop::collection::vec(step(), 0..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = Store::in_memory();
            let mut expected = Expected::default();
            for step in &steps {
                expected.apply(&store, step).await;
            }
            let versions = store.versions(&name()).await.unwrap();
            assert!(versions.iter().map(|version| version.model).eq(expected.versions.iter().copied()));
            for alias in ["staging", "production"] {
                let history = store.alias_history(&name(), &label(alias)).await.unwrap();
                let (targets, stack) = expected.alias(alias);
                assert!(history.iter().map(|moved| moved.version).eq(targets.iter().copied()));
                let present = store.alias(&name(), &label(alias)).await.unwrap();
                assert_eq!(present.map(|moved| moved.version), stack.last().copied());
            }
        });
    }
}
