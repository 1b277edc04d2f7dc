use std::{fs, path::Path};

use mlci_core::{Digest, FileError};

use crate::{InvalidModel, Model, Parts};

mod v1;

/// The version of the file format that this crate writes. It reads this one and all before it.
pub const FORMAT_VERSION: u32 = 2;

/// The first byte is no text and the fourth is a line feed, so that a transfer that meddles with line ends or the
/// eighth bit is seen at once (the idea of the PNG signature, PNG specification 3rd ed., §5.2).
const MAGIC: [u8; 8] = *b"\x89MLCI\r\n\x1a";
const HEADER: usize = MAGIC.len() + 4 + 8 + 32;
/// No model of this format comes near; a length beyond it is damage, not a model.
const LIMIT: usize = 1 << 30;

/// Bytes that are no usable model file, or a model that cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelFileError {
    /// The file does not begin as an mlci model does.
    #[error("not an mlci model file: it begins with {beginning}; ONNX, pickle and other formats are not read here")]
    Foreign {
        /// The first bytes, in hexadecimal.
        beginning: String,
    },
    /// The file was written by a later mlci.
    #[error("the model file has format version {found}, this mlci reads up to {FORMAT_VERSION}: update mlci")]
    Newer {
        /// The format version in the file.
        found: u32,
    },
    /// The file ends too early.
    #[error("the model file is truncated: {found} of {expected} bytes are there; fetch it again from the store")]
    Truncated {
        /// How long the file should be, in bytes.
        expected: usize,
        /// How long it is.
        found: usize,
    },
    /// The content is not what was written.
    #[error("the model file is damaged: {what}; fetch it again from the store")]
    Damaged {
        /// What does not fit.
        what: String,
    },
    /// The file is whole, but its content is no model.
    #[error("the model file is whole, but its content is not a usable model")]
    Invalid(#[source] InvalidModel),
    /// The model could not be written as bytes.
    #[error("the model cannot be encoded")]
    Encode(#[source] bincode::error::EncodeError),
    /// The file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Model {
    /// The bytes of a model file: magic, format version, payload length, payload digest, payload.
    ///
    /// Numbers in the header are little-endian (`u32` version, `u64` length); the payload is [`Parts`] in bincode 2's
    /// standard configuration. The same model gives the same bytes.
    ///
    /// # Errors
    /// [`ModelFileError::Encode`].
    pub fn encode(&self) -> Result<Vec<u8>, ModelFileError> {
        let payload =
            bincode::serde::encode_to_vec(self.parts(), bincode::config::standard()).map_err(ModelFileError::Encode)?;
        let mut bytes = Vec::with_capacity(HEADER + payload.len());
        bytes.extend(MAGIC);
        bytes.extend(FORMAT_VERSION.to_le_bytes());
        bytes.extend((payload.len() as u64).to_le_bytes());
        bytes.extend(Digest::of(&payload).as_bytes());
        bytes.extend(payload);
        Ok(bytes)
    }

    /// Reads the bytes of a model file and checks all of it: digest, shape, golden predictions.
    ///
    /// # Errors
    /// [`ModelFileError`] saying whether the bytes are foreign, newer, truncated, damaged or no usable model.
    pub fn decode(bytes: &[u8]) -> Result<Self, ModelFileError> {
        let magic = bytes.get(..MAGIC.len().min(bytes.len())).unwrap_or_default();
        if bytes.is_empty() || !MAGIC.starts_with(magic) {
            return Err(ModelFileError::Foreign { beginning: beginning(bytes) });
        }
        let truncated = |expected| ModelFileError::Truncated { expected, found: bytes.len() };
        let (header, payload) = bytes.split_at_checked(HEADER).ok_or_else(|| truncated(HEADER))?;
        let (version, length, digest) = header_fields(header).ok_or_else(|| truncated(HEADER))?;
        if version > FORMAT_VERSION {
            return Err(ModelFileError::Newer { found: version });
        }
        let damaged = |what: String| ModelFileError::Damaged { what };
        if version == 0 {
            return Err(damaged("its format version is 0".to_owned()));
        }
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= LIMIT)
            .ok_or_else(|| damaged(format!("its header states a length of {length} bytes")))?;
        if payload.len() < length {
            return Err(truncated(HEADER + length));
        }
        if payload.len() > length {
            return Err(damaged(format!("{} bytes follow its end", payload.len() - length)));
        }
        let actual = Digest::of(payload);
        if actual != digest {
            return Err(damaged(format!("its header states {digest}, its content is {actual}")));
        }
        let decoded = if version == 1 {
            parts::<v1::Parts>(payload).map(|(parts, read)| (parts.into(), read))
        } else {
            parts::<Parts>(payload)
        };
        let (parts, read) = decoded
            .map_err(|error| damaged(format!("its digest is right, but its content cannot be decoded ({error})")))?;
        if read != payload.len() {
            return Err(damaged(format!("{} bytes follow the model", payload.len() - read)));
        }
        Self::new(parts).map_err(ModelFileError::Invalid)
    }

    /// Reads a model file. Its bytes come with it, since a model's digest is that of its file.
    ///
    /// # Errors
    /// As [`Model::decode`], and [`ModelFileError::File`] naming the path.
    pub fn load(path: &Path) -> Result<(Self, Digest), ModelFileError> {
        let bytes = fs::read(path).map_err(FileError::at("read", path))?;
        Ok((Self::decode(&bytes)?, Digest::of(&bytes)))
    }
}

fn parts<P: serde::de::DeserializeOwned>(payload: &[u8]) -> Result<(P, usize), bincode::error::DecodeError> {
    bincode::serde::decode_from_slice(payload, bincode::config::standard().with_limit::<LIMIT>())
}

fn header_fields(header: &[u8]) -> Option<(u32, u64, Digest)> {
    let (version, rest) = header.get(MAGIC.len()..)?.split_first_chunk()?;
    let (length, digest) = rest.split_first_chunk()?;
    Some((u32::from_le_bytes(*version), u64::from_le_bytes(*length), Digest::from_bytes(digest.try_into().ok()?)))
}

fn beginning(bytes: &[u8]) -> String {
    let hex: Vec<String> = bytes.iter().take(MAGIC.len()).map(|byte| format!("{byte:02x}")).collect();
    if hex.is_empty() { "nothing (the file is empty)".to_owned() } else { hex.join(" ") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::tests::parts;

    fn bytes() -> Vec<u8> {
        Model::new(parts()).unwrap().encode().unwrap()
    }

    /// The file as it is after `spoil`, with a header that fits its payload again.
    fn resealed(spoil: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = bytes();
        let mut payload = bytes.split_off(HEADER);
        spoil(&mut payload);
        bytes[12..20].copy_from_slice(&(payload.len() as u64).to_le_bytes());
        bytes[20..52].copy_from_slice(Digest::of(&payload).as_bytes());
        bytes.extend(payload);
        bytes
    }

    #[track_caller]
    fn refused(bytes: &[u8], says: &str) {
        let error = Model::decode(bytes).unwrap_err().to_string();
        assert!(error.contains(says), "{error:?} does not say {says:?}");
    }

    #[test]
    fn the_same_model_has_the_same_bytes_and_comes_back() {
        assert_eq!(bytes(), bytes());
        assert_eq!(Model::decode(&bytes()).unwrap(), Model::new(parts()).unwrap());
    }

    #[test]
    fn foreign_files() {
        refused(b"", "the file is empty");
        refused(b"\x80\x04\x95pickle", "it begins with 80 04 95");
        refused(&[0; 100], "not an mlci model file");
        // A transfer in text mode turned the line end.
        refused(&[&b"\x89MLCI\n\x1a"[..], &bytes()[8..]].concat(), "not an mlci model file");
    }

    #[test]
    fn newer_and_impossible_versions() {
        let mut newer = bytes();
        newer[8..12].copy_from_slice(&7_u32.to_le_bytes());
        refused(&newer, "format version 7, this mlci reads up to 2: update mlci");
        newer[8..12].copy_from_slice(&0_u32.to_le_bytes());
        refused(&newer, "format version is 0");
    }

    #[test]
    fn every_truncation_is_seen() {
        let bytes = bytes();
        for length in 1..bytes.len() {
            let error = Model::decode(&bytes[..length]).unwrap_err();
            assert!(matches!(error, ModelFileError::Truncated { .. }), "{length} bytes: {error}");
        }
    }

    #[test]
    fn bytes_after_the_end_and_an_absurd_length() {
        refused(&[bytes(), b"x".to_vec()].concat(), "1 bytes follow its end");
        let mut absurd = bytes();
        absurd[12..20].copy_from_slice(&u64::MAX.to_le_bytes());
        refused(&absurd, "a length of 18446744073709551615 bytes");
        refused(&resealed(|payload| payload.push(0)), "1 bytes follow the model");
        refused(&resealed(Vec::clear), "cannot be decoded");
    }

    #[test]
    fn a_whole_file_that_is_no_model() {
        // The golden prediction is the last number in the payload.
        let bytes = resealed(|payload| {
            let start = payload.len() - 8;
            payload[start..].copy_from_slice(&5.0_f64.to_le_bytes());
        });
        let error = Model::decode(&bytes).unwrap_err();
        assert!(matches!(error, ModelFileError::Invalid(InvalidModel::Golden { .. })), "{error}");
    }

    /// Files of every format version ever released stay readable. `parts()` is what they were written from.
    #[test]
    fn files_of_all_versions_are_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats");
        for version in 1..=FORMAT_VERSION {
            let (model, _) = Model::load(&folder.join(format!("v{version}.mlci"))).unwrap();
            assert_eq!(model.parts(), &parts(), "version {version}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Model::load(Path::new("no/such.mlci")).unwrap_err().to_string();
        assert!(error.contains("no/such.mlci"), "{error}");
    }

    proptest! {
        /// Whatever byte is changed, the file is refused: the header names what it does, the digest covers the rest.
        #[test]
        fn every_changed_byte_is_seen(place in 0..bytes().len(), change in 1..=255_u8) {
            let mut bytes = bytes();
            bytes[place] ^= change;
            prop_assert!(Model::decode(&bytes).is_err());
        }

        /// A payload made of anything, under a right digest, is an error or a model, never a panic.
        #[test]
        fn any_payload_is_survived(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            let bytes = resealed(|old| *old = payload);
            let _ = Model::decode(&bytes);
        }
    }
}
