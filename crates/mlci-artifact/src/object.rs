use futures::TryStreamExt as _;
use mlci_core::FileError;
use object_store::{GetOptions, path::Path};

use crate::{
    Scheme,
    error::{Error, Result},
    store::Store,
};

/// One object at a URL, such as the data that a model is trained on: `s3://BUCKET/KEY` or `gs://BUCKET/KEY`.
///
/// It is no part of a [`Store`], and nothing is written to it.
#[derive(Clone)]
pub struct RemoteObject {
    store: Store,
    key: Path,
}

/// What came of [`RemoteObject::read`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Read {
    /// The object is still the one with the entity tag that was known. Nothing was transferred.
    Unchanged,
    /// All of it was handed out.
    Whole {
        /// Names this content of the object (RFC 9110, section 8.8.3), for the next reading; `None`: the server has none.
        entity_tag: Option<String>,
        /// How many bytes it has.
        bytes: u64,
    },
}

impl RemoteObject {
    /// The object that a URL names. No request is made yet. Settings come from the environment, as with
    /// [`Store::remote`].
    ///
    /// # Errors
    /// As [`Store::remote`], and [`Error::Url`] where the URL ends with its bucket.
    pub fn at(url: &str) -> Result<Self> {
        let wrong = |rule| Error::Url { url: url.to_owned(), rule };
        Scheme::of(url).ok_or_else(|| wrong("write s3://BUCKET/KEY or gs://BUCKET/KEY"))?;
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let store = Store::remote(&format!("{scheme}://{bucket}"))?;
        if key.is_empty() {
            return Err(wrong("it names a bucket, and no object in it"));
        }
        let key = Path::parse(key).map_err(|_| wrong("its key has empty or dotted parts"))?;
        Ok(Self { store, key })
    }

    /// Hands the object's bytes to `sink`, block by block as they come; nothing where its entity tag is `known`.
    ///
    /// A transfer that breaks off is taken up where it was. Dropping the future ends it; what `sink` had until then is a
    /// beginning of the object, as it is after an error.
    ///
    /// # Errors
    /// [`Error::MissingObject`]; [`Error::Refused`] or [`Error::Store`] where the server or the network fails;
    /// [`Error::Folder`] with what `sink` says.
    pub async fn read(
        &self,
        known: Option<&str>,
        mut sink: impl FnMut(&[u8]) -> Result<(), FileError>,
    ) -> Result<Read> {
        let options = GetOptions { if_none_match: known.map(str::to_owned), ..GetOptions::default() };
        let failed = |source| match source {
            object_store::Error::NotFound { .. } => Error::MissingObject { object: self.store.place(&self.key) },
            source => self.store.error("read", &self.key)(source),
        };
        let found = match self.store.get_with(&self.key, options).await {
            Err(object_store::Error::NotModified { .. }) => return Ok(Read::Unchanged),
            found => found.map_err(failed)?,
        };
        let entity_tag = found.meta.e_tag.clone();
        let mut blocks = found.into_stream();
        let mut bytes = 0;
        while let Some(block) = blocks.try_next().await.map_err(failed)? {
            bytes += block.len() as u64;
            sink(&block)?;
        }
        Ok(Read::Whole { entity_tag, bytes })
    }
}

#[cfg(test)]
mod tests {
    use object_store::{ObjectStoreExt as _, memory::InMemory};
    use std::sync::Arc;

    use super::*;

    #[test]
    fn urls_that_name_no_object() {
        for (url, says) in [
            ("data.csv", "s3://BUCKET/KEY"),
            ("ftp://x/data.csv", "s3://BUCKET/KEY"),
            ("s3:///data.csv", "it has no bucket"),
        ] {
            let error = RemoteObject::at(url).err().unwrap().to_string();
            assert!(error.contains(says), "{error}");
        }
        if crate::Scheme::S3.is_compiled_in() {
            for (url, says) in [
                ("s3://bucket", "no object in it"),
                ("s3://bucket/", "no object in it"),
                ("s3://bucket/a//b", "empty or dotted parts"),
            ] {
                let error = RemoteObject::at(url).err().unwrap().to_string();
                assert!(error.contains(says), "{error}");
            }
        }
    }

    #[tokio::test]
    async fn an_object_is_read_once() {
        let objects = Arc::new(InMemory::new());
        let key = Path::from("folder/data.csv");
        let object = RemoteObject { store: Store::new(objects.clone(), Path::ROOT), key: key.clone() };
        let read = async |known: Option<&str>| {
            let mut bytes = Vec::new();
            let read = object.read(known, |block| {
                bytes.extend_from_slice(block);
                Ok(())
            });
            (read.await, bytes)
        };
        let missing = read(None).await.0.unwrap_err();
        assert!(
            matches!(&missing, Error::MissingObject { object } if object.ends_with("folder/data.csv")),
            "{missing}"
        );

        objects.put(&key, "a,y\n1,2\n".into()).await.unwrap();
        let (first, bytes) = read(None).await;
        let Ok(Read::Whole { entity_tag: Some(tag), bytes: 8 }) = first else { panic!("{first:?}") };
        assert_eq!(bytes, b"a,y\n1,2\n");
        let (again, bytes) = read(Some(&tag)).await;
        assert_eq!((again.unwrap(), bytes.len()), (Read::Unchanged, 0));
        objects.put(&key, "a,y\n".into()).await.unwrap();
        assert_eq!(read(Some(&tag)).await.1, b"a,y\n");
    }
}
