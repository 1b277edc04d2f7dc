use std::collections::BTreeMap;

use jiff::Timestamp;
use mlci_core::{Digest, Label, ModelName};
use serde::{Deserialize, Serialize};

use crate::{
    entry::Entry,
    error::{Error, Result},
    log::Log,
    store::Store,
};

/// One move of an alias. The last one says where the alias points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AliasMove {
    /// The number of the move; the first is 1.
    pub number: u64,
    /// The version that the alias points to since.
    pub version: u64,
    /// That version's model digest.
    pub digest: Digest,
    /// When, by the mover's clock.
    pub at: Timestamp,
    /// Who moved it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Whether it was a rollback.
    pub rollback: bool,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Move {
    version: u64,
    digest: Digest,
    by: String,
    reason: String,
    rollback: bool,
}

impl Store {
    /// Where an alias points, or `None` if it was never set. One listing and one read.
    ///
    /// # Errors
    /// [`Error::DamagedEntry`], [`Error::UnknownFormat`], [`Error::Store`].
    pub async fn alias(&self, name: &ModelName, alias: &Label) -> Result<Option<AliasMove>> {
        Ok(self.alias_log(name, alias).last().await?.map(AliasMove::from))
    }

    /// Points an alias to a version. If it points there already, that move is returned and no entry is added.
    ///
    /// Of two promotions at the same time, the one with the higher number counts.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such version, [`Error::MissingBlob`] if its model is gone, else as
    /// [`Log::append`](crate::Log::append).
    pub async fn promote(
        &self,
        name: &ModelName,
        version: u64,
        alias: &Label,
        by: &str,
        reason: &str,
    ) -> Result<AliasMove> {
        let digest = self.version(name, version).await?.model;
        let log = self.alias_log(name, alias);
        let entry = Move { version, digest, by: by.to_owned(), reason: reason.to_owned(), rollback: false };
        loop {
            let last = log.last().await?;
            let number = last.as_ref().map(|last| last.number);
            if let Some(last) = last.filter(|last| last.body.version == version && last.body.digest == digest) {
                return Ok(last.into());
            }
            match log.append_after(number, &entry, &[digest]).await {
                // What is wanted does not depend on who else moved it, so look again.
                Err(Error::Conflict { .. }) => {}
                result => return result.map(AliasMove::from),
            }
        }
    }

    /// Points an alias back to where it pointed before, by one more entry.
    ///
    /// The rule: a promotion puts its version on a stack, a rollback takes the topmost off, and the alias points to
    /// what is on top then. So after promotions of 1, 2 and 3 a rollback leads to 2 and a second one to 1, not back to
    /// 3; and after a rollback to 2 and a promotion of 4, a rollback leads to 2.
    ///
    /// # Errors
    /// [`Error::NothingToRollBack`]; [`Error::Conflict`] if the alias was moved meanwhile, since going back from
    /// there may not be what is wanted; else as [`Store::promote`].
    pub async fn rollback(&self, name: &ModelName, alias: &Label, by: &str, reason: &str) -> Result<AliasMove> {
        let log = self.alias_log(name, alias);
        let entries = log.entries().await?;
        let mut stack: Vec<&Move> = Vec::new();
        for Entry { body, .. } in &entries {
            if body.rollback {
                stack.pop();
            }
            // A rollback finds its version on top.
            if stack.last().is_none_or(|top| top.version != body.version) {
                stack.push(body);
            }
        }
        let current = stack.pop().map(|top| top.version);
        let Some(target) = stack.last() else {
            return Err(Error::NothingToRollBack { name: name.clone(), alias: alias.clone(), current });
        };
        let entry = Move {
            version: target.version,
            digest: target.digest,
            by: by.to_owned(),
            reason: reason.to_owned(),
            rollback: true,
        };
        let last = entries.last().map(|entry| entry.number);
        log.append_after(last, &entry, &[target.digest]).await.map(AliasMove::from)
    }

    /// Every move of an alias, ascending; none if it was never set.
    ///
    /// # Errors
    /// As [`Store::alias`].
    pub async fn alias_history(&self, name: &ModelName, alias: &Label) -> Result<Vec<AliasMove>> {
        Ok(self.alias_log(name, alias).entries().await?.into_iter().map(AliasMove::from).collect())
    }

    /// Every alias of a model, with where it points.
    ///
    /// # Errors
    /// As [`Store::alias`].
    pub async fn aliases(&self, name: &ModelName) -> Result<BTreeMap<Label, AliasMove>> {
        let (_, folders) = self.children(&self.path(&["models", name.as_str(), "aliases"])).await?;
        let mut aliases = BTreeMap::new();
        for alias in folders.iter().filter_map(|folder| folder.parse::<Label>().ok()) {
            if let Some(last) = self.alias(name, &alias).await? {
                aliases.insert(alias, last);
            }
        }
        Ok(aliases)
    }

    fn alias_log(&self, name: &ModelName, alias: &Label) -> Log<Move> {
        self.log_at(&["models", name.as_str(), "aliases", alias.as_str()])
    }
}

impl From<Entry<Move>> for AliasMove {
    fn from(entry: Entry<Move>) -> Self {
        let Entry { number, at, references: _, body: Move { version, digest, by, reason, rollback } } = entry;
        Self { number, version, digest, at, by, reason, rollback }
    }
}
