use std::{
    collections::BTreeSet,
    fs::{self, File, Metadata},
    io::{self, Read as _, Write},
    path::{Component, Path, PathBuf},
};

use bollard::{body_try_stream, query_parameters::BuildImageOptionsBuilder};
use futures::StreamExt as _;
use tar::{EntryType, Header};

use crate::{
    Reference,
    docker::{Engine, EngineError, Result, ignore::Ignore, one_line, stream::streamed},
};

const IGNORE: &str = ".dockerignore";

impl Engine {
    /// Builds an image from a Dockerfile and the files of a folder, under a tag, with the engine's own builder. Gives the
    /// image's id.
    ///
    /// `dockerfile` is relative to `context`. What `DOCKERFILE.dockerignore` beside it, else `.dockerignore` in the
    /// context, leaves out is not sent; symbolic links are sent as links; sockets, pipes and devices are not sent. Each
    /// line of the engine's output is handed to `output` without its line end. Files are streamed. Dropping the future
    /// ends the build.
    ///
    /// # Errors
    /// [`EngineError::NoTag`]; [`EngineError::Context`], [`EngineError::Dockerfile`] and [`EngineError::Ignore`] for the
    /// files; [`EngineError::Failed`] if a step fails; [`EngineError::CutShort`] if the engine does not name the image it
    /// built; [`EngineError::Request`].
    pub async fn build(
        &self,
        context: &Path,
        dockerfile: &Path,
        tag: &Reference,
        mut output: impl FnMut(&str) + Send,
    ) -> Result<String> {
        let Some(tag_name) = tag.tag() else { return Err(EngineError::NoTag { reference: Box::new(tag.clone()) }) };
        let name = format!("{}:{tag_name}", tag.name());
        let action = format!("build `{name}` from `{}`", context.join(dockerfile).display());
        let file = inside(dockerfile).ok_or_else(|| EngineError::Dockerfile { path: dockerfile.to_owned() })?;

        let folder = context.to_owned();
        let shown = file.clone();
        let (body, maker) = streamed(move |sink| write(&folder, &shown, sink));
        let options = BuildImageOptionsBuilder::default().t(&name).dockerfile(&file).rm(true).forcerm(true).build();
        let mut report = Box::pin(self.api.build_image(options, None, Some(body_try_stream(body))));
        let (mut id, mut last, mut outcome) = (None, String::new(), Ok(()));
        let mut pending = String::new();
        while let Some(message) = report.next().await {
            let message = match message {
                Ok(message) => message,
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            };
            id = message.aux.and_then(|image| image.id).or(id);
            // A message is a piece of text, which may be half a line or several.
            pending += &message.stream.or_else(|| message.status.map(|status| status + "\n")).unwrap_or_default();
            while let Some((line, rest)) = pending.split_once('\n') {
                let line = line.trim_end_matches('\r');
                if !line.is_empty() {
                    output(line);
                    last = one_line(line);
                }
                pending = rest.to_owned();
            }
        }
        if !pending.is_empty() {
            output(&pending);
        }
        drop(report);
        self.made(maker.await, outcome, &action)?;
        let host = self.host.to_string();
        id.ok_or(EngineError::CutShort { host, action, missing: "the id of an image", last })
    }
}

/// A relative path as the engine writes it, unless it leads out of the folder.
fn inside(path: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            _ => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// Writes the context as a tar archive.
fn write(context: &Path, dockerfile: &str, output: &mut impl Write) -> Result<()> {
    let path = context.join(dockerfile);
    if !fs::metadata(&path).map_err(unreadable(&path))?.is_file() {
        return Err(unreadable(&path)(io::Error::other("it is not a file")));
    }
    let ignore = read_ignore(context, dockerfile)?;
    let mut archive = tar::Builder::new(output);
    for (name, path, metadata) in files(context, &ignore, dockerfile)? {
        append(&mut archive, &name, &path, &metadata)?;
    }
    archive.into_inner()?;
    Ok(())
}

fn read_ignore(context: &Path, dockerfile: &str) -> Result<Ignore> {
    for name in [format!("{dockerfile}{IGNORE}"), IGNORE.to_owned()] {
        let path = context.join(name);
        match fs::read(&path) {
            Ok(bytes) => {
                return Ignore::parse(&String::from_utf8_lossy(&bytes))
                    .map_err(|(line, problem)| EngineError::Ignore { path, line, problem });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(&path)(error)),
        }
    }
    Ok(Ignore::default())
}

type Found = (String, PathBuf, Metadata);

/// What is sent, by name. The Dockerfile and `.dockerignore` always are: the engine reads them and takes them out again.
fn files(context: &Path, ignore: &Ignore, dockerfile: &str) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    let mut folders = vec![(String::new(), context.to_owned())];
    let always = BTreeSet::from([dockerfile, IGNORE]);
    while let Some((prefix, folder)) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(unreadable(&folder))? {
            let entry = entry.map_err(unreadable(&folder))?;
            let path = entry.path();
            let Some(name) = entry.file_name().to_str().map(|name| format!("{prefix}{name}")) else {
                return Err(unreadable(&path)(io::Error::other("its name is not UTF-8")));
            };
            let needed = always.contains(name.as_str());
            let excluded = ignore.excludes(&name) && !needed;
            let metadata = fs::symlink_metadata(&path).map_err(unreadable(&path))?;
            let above_needed = always.iter().any(|file| file.starts_with(&format!("{name}/")));
            if metadata.is_dir() && (!excluded || ignore.has_exceptions() || above_needed) {
                folders.push((format!("{name}/"), path.clone()));
            }
            let kind = metadata.file_type();
            if !excluded && (kind.is_dir() || kind.is_file() || kind.is_symlink()) {
                found.push((name, path, metadata));
            }
        }
    }
    // An order that does not change, for the builder's cache and for people.
    found.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    Ok(found)
}

fn append(archive: &mut tar::Builder<&mut impl Write>, name: &str, path: &Path, metadata: &Metadata) -> Result<()> {
    let mut header = Header::new_gnu();
    header.set_metadata(metadata);
    // The files become root's in the image, whoever has them here.
    header.set_uid(0);
    header.set_gid(0);
    if metadata.is_symlink() {
        let target = fs::read_link(path).map_err(unreadable(path))?;
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        archive.append_link(&mut header, name, target)?;
    } else if metadata.is_dir() {
        header.set_size(0);
        archive.append_data(&mut header, format!("{name}/"), io::empty())?;
    } else {
        let file = File::open(path).map_err(unreadable(path))?;
        let mut file = Exact { file: file.take(metadata.len()), missing: metadata.len() };
        archive.append_data(&mut header, name, &mut file).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => EngineError::from(error),
            _ => unreadable(path)(error),
        })?;
    }
    Ok(())
}

/// A file with the length that the header states, or an error: a shorter one would shift all that follows.
struct Exact {
    file: io::Take<File>,
    missing: u64,
}

impl io::Read for Exact {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.missing -= count as u64;
        if count == 0 && self.missing > 0 && !buffer.is_empty() {
            return Err(io::Error::other("it became shorter while it was read"));
        }
        Ok(count)
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> EngineError {
    move |source| EngineError::Context { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names that are sent of a folder with these files.
    fn sent(files: &[&str], ignore: &str, dockerfile: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for file in files.iter().chain([&dockerfile]) {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        fs::write(folder.path().join(IGNORE), ignore).unwrap();
        let mut bytes = Vec::new();
        write(folder.path(), dockerfile, &mut bytes).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let entries = archive.entries().unwrap().map(|entry| entry.unwrap());
        let files = entries.filter(|entry| entry.header().entry_type().is_file());
        files.map(|entry| entry.path().unwrap().to_str().unwrap().to_owned()).collect()
    }

    /// Case A12. The engine takes the Dockerfile and `.dockerignore` out again, unless they are wanted.
    #[test]
    fn the_same_files_as_with_buildkit() {
        let files = ["docker/application/Dockerfile", "docker/application/x", "docker/x", "y"];
        assert_eq!(
            sent(&files, "*\n!docker/*/Dockerfile\n", "Dockerfile"),
            [IGNORE, "Dockerfile", "docker/application/Dockerfile"]
        );
        let files = ["dir/file1", "dir/file2", "dir/file3", "dir/sub/file1"];
        assert_eq!(
            sent(&files, "dir\n!dir*/file1\n!dir/file2\n", "Dockerfile"),
            [IGNORE, "Dockerfile", "dir/file1", "dir/file2"]
        );
        // In a folder that is left out as a whole.
        assert_eq!(sent(&["build/x", "a"], "build\n", "build/Dockerfile"), [IGNORE, "a", "build/Dockerfile"]);
    }

    #[test]
    fn links_stay_links_and_lead_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Dockerfile"), "FROM scratch").unwrap();
        std::os::unix::fs::symlink("/etc", folder.path().join("link")).unwrap();
        let mut bytes = Vec::new();
        write(folder.path(), "Dockerfile", &mut bytes).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let names: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.path().unwrap().into_owned(), entry.link_name().unwrap().map(|target| target.into_owned()))
            })
            .collect();
        assert_eq!(names, [("Dockerfile".into(), None), ("link".into(), Some("/etc".into()))]);
    }

    #[test]
    fn a_dockerfile_is_inside_of_the_context() {
        for (path, expected) in [
            ("Dockerfile", Some("Dockerfile")),
            ("./docker/Dockerfile", Some("docker/Dockerfile")),
            ("../Dockerfile", None),
            ("/etc/passwd", None),
            ("a/../../b", None),
            ("", None),
        ] {
            assert_eq!(inside(Path::new(path)).as_deref(), expected, "{path}");
        }
        let folder = tempfile::tempdir().unwrap();
        let error = write(folder.path(), "Dockerfile", &mut Vec::new()).unwrap_err();
        assert!(matches!(error, EngineError::Context { path, .. } if path.ends_with("Dockerfile")));
    }
}
