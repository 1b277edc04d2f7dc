use serde::Deserialize;

use crate::{Entry, Event, Status};

/// What a line of a run's file holds.
pub(crate) enum Line {
    Entry(Entry),
    /// An event of a kind that this version does not know.
    Unknown,
    Damaged,
}

impl Line {
    pub(crate) fn parse(text: &[u8]) -> Self {
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Kind {
            Start,
            Param,
            Metric,
            Tag,
            Artifact,
            End,
            #[serde(other)]
            Unknown,
        }
        #[derive(Deserialize)]
        struct Head {
            event: Kind,
        }

        match serde_json::from_slice(text) {
            Ok(Entry { event: Event::End { status: Status::Running, .. }, .. }) => Self::Damaged,
            Ok(entry) => Self::Entry(entry),
            Err(_) => match serde_json::from_slice(text) {
                Ok(Head { event: Kind::Unknown }) => Self::Unknown,
                _ => Self::Damaged,
            },
        }
    }
}

/// Numbers as MLflow's REST interface writes them: JSON numbers, and strings for what JSON cannot hold.
pub(crate) mod number {
    use std::fmt;

    use serde::{Deserializer, Serializer, de};

    // serde's `with` asks for this signature.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            serializer.serialize_f64(*value)
        } else if value.is_nan() {
            serializer.serialize_str("NaN")
        } else {
            serializer.serialize_str(if *value > 0.0 { "Infinity" } else { "-Infinity" })
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        deserializer.deserialize_any(Number)
    }

    struct Number;

    impl de::Visitor<'_> for Number {
        type Value = f64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number, \"NaN\", \"Infinity\" or \"-Infinity\"")
        }

        fn visit_f64<E>(self, value: f64) -> Result<f64, E> {
            Ok(value)
        }

        // Other writers leave out the fraction of a whole number. Beyond 2^53 the nearest number is taken, as JSON does.
        #[allow(clippy::cast_precision_loss)]
        fn visit_u64<E>(self, value: u64) -> Result<f64, E> {
            Ok(value as f64)
        }

        #[allow(clippy::cast_precision_loss)]
        fn visit_i64<E>(self, value: i64) -> Result<f64, E> {
            Ok(value as f64)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<f64, E> {
            match text {
                "NaN" => Ok(f64::NAN),
                "Infinity" => Ok(f64::INFINITY),
                "-Infinity" => Ok(f64::NEG_INFINITY),
                _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use mlci_core::Digest;

    use super::*;
    use crate::{FORMAT_VERSION, RunId};

    #[track_caller]
    fn check(event: Event, json: &str) {
        let entry = Entry { event, time: "2026-01-02T03:04:05.678Z".parse().unwrap() };
        let line = json.replace('}', r#","time":"2026-01-02T03:04:05.678Z"}"#);
        assert_eq!(serde_json::to_string(&entry).unwrap(), line);
        let Line::Entry(read) = Line::parse(line.as_bytes()) else { panic!("{line}") };
        // NaN differs from itself; the texts do not.
        assert_eq!(format!("{read:?}"), format!("{entry:?}"));
    }

    /// The format is a contract with files that exist: a change here is a new `FORMAT_VERSION`.
    #[test]
    fn the_lines_are_these() {
        let id: RunId = "00000000000000a1".parse().unwrap();
        let text = |text: &str| text.to_owned();
        check(
            Event::Start { format: FORMAT_VERSION, id, name: text("wine") },
            r#"{"event":"start","format":1,"id":"00000000000000a1","name":"wine"}"#,
        );
        check(Event::Param { key: text("a"), value: text("\"\n") }, r#"{"event":"param","key":"a","value":"\"\n"}"#);
        for (value, json) in [
            (0.1, "0.1"),
            (-0.0, "-0.0"),
            (12345.678, "12345.678"),
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ] {
            check(
                Event::Metric { key: text("m"), value, step: u64::MAX },
                &format!(r#"{{"event":"metric","key":"m","value":{json},"step":18446744073709551615}}"#),
            );
        }
        check(Event::Tag { key: text("a"), value: text("ä") }, r#"{"event":"tag","key":"a","value":"ä"}"#);
        let digest = Digest::of(b"abc");
        check(
            Event::Artifact { name: text("model.bin"), digest, bytes: 3 },
            &format!(r#"{{"event":"artifact","name":"model.bin","digest":"{digest}","bytes":3}}"#),
        );
        check(Event::End { status: Status::Finished, reason: None }, r#"{"event":"end","status":"finished"}"#);
        check(
            Event::End { status: Status::Killed, reason: Some(text("SIGTERM")) },
            r#"{"event":"end","status":"killed","reason":"SIGTERM"}"#,
        );
    }

    #[test]
    fn whole_numbers_and_new_fields_of_other_writers_are_read() {
        for (value, expected) in [("3", 3.0), ("-3", -3.0), ("18446744073709551615", 18_446_744_073_709_551_615.0)] {
            let line = format!(
                r#"{{"time":"2026-01-02T03:04:05Z","new":[1],"step":0,"value":{value},"key":"m","event":"metric"}}"#
            );
            let Line::Entry(Entry { event: Event::Metric { value, .. }, .. }) = Line::parse(line.as_bytes()) else {
                panic!("{line}")
            };
            assert!(value.total_cmp(&expected).is_eq(), "{line}");
        }
    }

    #[test]
    fn damage_is_told_from_news() {
        for (line, unknown) in [
            (r#"{"event":"dataset","time":"2026-01-02T03:04:05Z","rows":7}"#, true),
            (r#"{"event":"metric","time":"2026-01-02T03:04:05Z"}"#, false),
            (r#"{"event":"metric","key":"m","value":"nan","step":0,"time":"2026-01-02T03:04:05Z"}"#, false),
            (r#"{"event":"end","status":"running","time":"2026-01-02T03:04:05Z"}"#, false),
            (r#"{"event":"tag","key":"a","value":"b"}"#, false),
            (r#"{"event":"dataset""#, false),
            ("\0\0\0\0", false),
            ("7", false),
        ] {
            match Line::parse(line.as_bytes()) {
                Line::Entry(_) => panic!("{line}"),
                Line::Unknown => assert!(unknown, "{line}"),
                Line::Damaged => assert!(!unknown, "{line}"),
            }
        }
    }
}
