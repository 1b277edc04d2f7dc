use std::{collections::BTreeMap, fs, path::Path};

use jiff::Timestamp;
use mlci_core::{Digest, FileError};
use serde::{Deserialize, Serialize};

use crate::{Entries, Entry, Event, Result, RunId, Skipped, Status, line::number};

/// A measured value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Where in the run it was measured.
    pub step: u64,
    /// The value, which may be NaN or infinite.
    #[serde(with = "number")]
    pub value: f64,
    /// When it was logged.
    pub time: Timestamp,
}

impl Point {
    /// Whether the other says nothing new. NaN is NaN here.
    fn repeats(&self, other: &Self) -> bool {
        self.step == other.step && (self.value == other.value || (self.value.is_nan() && other.value.is_nan()))
    }
}

/// Something a run made, kept elsewhere under its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The digest of its content.
    pub digest: Digest,
    /// Its length in bytes.
    pub bytes: u64,
}

/// What a list of runs shows of each.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct RunSummary {
    /// The run.
    pub id: RunId,
    /// Its place in the order of starts, from 1.
    pub number: u64,
    /// Its name; empty if the line that said it is lost.
    pub name: String,
    /// Where it stands, or `None` if its file cannot be read: `problem` says why then.
    pub status: Option<Status>,
    /// When it started. Where that line is lost, the time of the first one left, else of the file's last change.
    pub start: Timestamp,
    /// When it ended, never before its start. For a run whose process died, its last sign of life.
    pub end: Option<Timestamp>,
    /// Why it ended so.
    pub reason: Option<String>,
    /// The last value of every tag.
    pub tags: BTreeMap<String, String>,
    /// The last point of every metric: that of the highest step.
    pub metrics: BTreeMap<String, Point>,
    /// Lines of its file that could not be used.
    pub skipped: Skipped,
    /// Why its file cannot be read: the error and its causes. What was read before it is in the other fields.
    pub problem: Option<String>,
}

/// Everything that a run's log holds.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct RunRecord {
    /// The run.
    pub id: RunId,
    /// Its place in the order of starts, from 1.
    pub number: u64,
    /// Its name; empty if the line that said it is lost.
    pub name: String,
    /// Where it stands.
    pub status: Status,
    /// When it started. Where that line is lost, the time of the first one left, else of the file's last change.
    pub start: Timestamp,
    /// When it ended, never before its start. For a run whose process died, its last sign of life.
    pub end: Option<Timestamp>,
    /// Why it ended so.
    pub reason: Option<String>,
    /// Its settings.
    pub params: BTreeMap<String, String>,
    /// The points of every metric in the order of their steps, at one step in the order in which they were logged. A
    /// value that repeats the one before it at the same step is left out, as MLflow does.
    pub metrics: BTreeMap<String, Vec<Point>>,
    /// The last value of every tag.
    pub tags: BTreeMap<String, String>,
    /// What it made, by name; the last of a name counts.
    pub artifacts: BTreeMap<String, Artifact>,
    /// Lines of its file that could not be used.
    pub skipped: Skipped,
}

/// A file of the log, known by its name alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RunFile {
    pub(crate) number: u64,
    pub(crate) id: RunId,
    pub(crate) path: std::path::PathBuf,
}

impl RunFile {
    /// The name of a file: the number first, so that the order does not hang on a clock.
    pub(crate) fn name(number: u64, id: RunId) -> String {
        format!("{number:08}-{id}.jsonl")
    }

    pub(crate) fn at(path: &Path) -> Option<Self> {
        let (number, id) = path.file_name()?.to_str()?.strip_suffix(".jsonl")?.split_once('-')?;
        let file = Self { number: number.parse().ok()?, id: id.parse().ok()?, path: path.to_owned() };
        // One name a run: `+1-…` and `1-…` are none of ours.
        (path.file_name()?.to_str()? == Self::name(file.number, file.id)).then_some(file)
    }

    pub(crate) fn summary(&self) -> RunSummary {
        let mut frame = Frame::default();
        let mut metrics = BTreeMap::new();
        let result = self.each(&mut frame, |event, time| {
            if let Event::Metric { key, value, step } = event {
                let point = Point { step, value, time };
                let last = metrics.entry(key).or_insert(point);
                if point.step >= last.step && !point.repeats(last) {
                    *last = point;
                }
            }
        });
        let (skipped, problem) = match result {
            Ok(skipped) => (skipped, None),
            Err(error) => (Skipped::default(), Some(chain(&error))),
        };
        // A summary is there for every file, so a time must be too.
        let start = frame.start(&self.path).unwrap_or(Timestamp::UNIX_EPOCH);
        RunSummary {
            id: self.id,
            number: self.number,
            status: problem.is_none().then(|| frame.status()),
            start,
            end: frame.end_time(start),
            reason: frame.end.and_then(|end| end.2),
            name: frame.name,
            tags: frame.tags,
            metrics,
            skipped,
            problem,
        }
    }

    pub(crate) fn record(&self) -> Result<RunRecord> {
        let mut frame = Frame::default();
        let mut params = BTreeMap::new();
        let mut metrics: BTreeMap<String, Vec<Point>> = BTreeMap::new();
        let mut artifacts = BTreeMap::new();
        let skipped = self.each(&mut frame, |event, time| match event {
            Event::Param { key, value } => {
                params.entry(key).or_insert(value);
            }
            Event::Metric { key, value, step } => metrics.entry(key).or_default().push(Point { step, value, time }),
            Event::Artifact { name, digest, bytes } => {
                artifacts.insert(name, Artifact { digest, bytes });
            }
            Event::Start { .. } | Event::Tag { .. } | Event::End { .. } => {}
        })?;
        for points in metrics.values_mut() {
            points.sort_by_key(|point| point.step);
            points.dedup_by(|later, earlier| later.repeats(earlier));
        }
        let start = frame.start(&self.path)?;
        Ok(RunRecord {
            id: self.id,
            number: self.number,
            status: frame.status(),
            start,
            end: frame.end_time(start),
            reason: frame.end.and_then(|end| end.2),
            name: frame.name,
            params,
            metrics,
            tags: frame.tags,
            artifacts,
            skipped,
        })
    }

    /// The frame of the run, for who needs no more.
    pub(crate) fn frame(&self) -> Result<Frame> {
        let mut frame = Frame::default();
        self.each(&mut frame, |_, _| {})?;
        Ok(frame)
    }

    fn each(&self, frame: &mut Frame, mut rest: impl FnMut(Event, Timestamp)) -> Result<Skipped> {
        let mut entries = Entries::open(&self.path)?;
        for entry in &mut entries {
            if let Some((event, time)) = frame.take(entry?) {
                rest(event, time);
            }
        }
        Ok(entries.into_skipped())
    }
}

/// What every view of a run needs: its beginning, its end, its tags.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    name: String,
    first: Option<Timestamp>,
    latest: Option<Timestamp>,
    pub(crate) end: Option<(Status, Timestamp, Option<String>)>,
    tags: BTreeMap<String, String>,
}

impl Frame {
    /// Keeps what it is for and hands back the rest.
    fn take(&mut self, entry: Entry) -> Option<(Event, Timestamp)> {
        let Entry { event, time } = entry;
        self.first.get_or_insert(time);
        self.latest = self.latest.max(Some(time));
        match event {
            Event::Start { name, .. } => self.name = name,
            Event::Tag { key, value } => {
                self.tags.insert(key, value);
            }
            Event::End { status, reason } => {
                self.end.get_or_insert((status, time, reason));
            }
            other => return Some((other, time)),
        }
        None
    }

    fn status(&self) -> Status {
        self.end.as_ref().map_or(Status::Running, |end| end.0)
    }

    fn start(&self, path: &Path) -> Result<Timestamp> {
        self.first.map_or_else(|| changed(path), Ok)
    }

    fn end_time(&self, start: Timestamp) -> Option<Timestamp> {
        self.end.as_ref().map(|end| end.1.max(start))
    }

    /// When the run was last heard of.
    pub(crate) fn last_sign(&self, path: &Path) -> Result<Timestamp> {
        self.latest.map_or_else(|| changed(path), Ok)
    }
}

fn changed(path: &Path) -> Result<Timestamp> {
    let time = fs::metadata(path).and_then(|data| data.modified()).map_err(FileError::at("read", path))?;
    let time = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(to_millisecond(time))
}

/// MLflow keeps milliseconds, so the log does too.
pub(crate) fn to_millisecond(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}

fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |error| error.source()).fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        text + ": " + &cause
    })
}
