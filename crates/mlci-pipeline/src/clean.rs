use std::time::Duration;

use mlci_artifact::GarbageOptions;

use crate::{event::Finished, pipeline::Pipeline, words::count};

impl Pipeline {
    /// Removes what can be made again: journal, caches, logs of stages, model files, images that no
    /// environment serves or could go back to, and blobs that nothing refers to. Versions, runs, approvals and releases stay.
    pub fn clean(&self) -> Finished {
        self.command("clean", |ending| {
            let _lock = self.begin()?;
            let mut keep = Vec::new();
            for name in self.config().environment.keys() {
                let history = self.history(name)?;
                keep.extend(history.0.iter().filter_map(|entry| entry.body.serving()).map(|release| release.image));
            }
            let last = self.block_on(self.records().builds()?.last())?;
            keep.extend(last.map(|build| build.body.image));
            // A layout may be shared: images of other projects' models are theirs to remove.
            let versions = self.block_on(self.store().versions(&self.config().project.name))?;
            let images = self.layout()?.images()?.into_iter();
            let foreign = images.filter(|image| !versions.iter().any(|version| version.model == image.model));
            keep.extend(foreign.map(|image| image.digest));
            let pruned = self.layout()?.prune(&keep)?;
            let garbage = self.block_on(
                self.store().collect_garbage(GarbageOptions { grace: Duration::from_secs(24 * 3600), dry_run: false }),
            )?;
            for name in ["journal", "cache", "logs", "models", "train"] {
                mlci_core::remove(&self.workdir().root().join(name))?;
            }
            ending.text = Some(format!(
                "removed journal, caches and logs; {} pruned, {} set aside; the next ci works from scratch",
                count(pruned.images.len() as u64, "image"),
                count(garbage.trashed.len() as u64, "unreferenced blob")
            ));
            Ok(())
        })
    }
}
