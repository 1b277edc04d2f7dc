//! As much of the ELF-64 header (System V ABI, "Object Files") as tells whether a program runs in an empty image.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use crate::{
    Error, Result, ServerProblem,
    layer::{Content, open_input},
    spec::Architecture,
};

const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
const EXEC: u16 = 2;
/// Position-independent programs have the type of shared objects.
const DYN: u16 = 3;
const PT_INTERP: u32 = 3;
/// `PATH_MAX` of Linux, which no loader's path exceeds.
const INTERPRETER_LIMIT: u64 = 4096;

pub(crate) fn static_architecture(path: &Path) -> Result<Architecture> {
    let (mut file, length) = open_input(Content::Server, path)?;
    match inspect(&mut file, length) {
        Ok(Ok(architecture)) => Ok(architecture),
        Ok(Err(source)) => Err(Error::Server { path: path.to_owned(), source }),
        Err(source) => Err(Error::Input { what: Content::Server.what(), path: path.to_owned(), source }),
    }
}

fn inspect(file: &mut File, length: u64) -> io::Result<std::result::Result<Architecture, ServerProblem>> {
    let Some(header) = read_at::<HEADER>(file, length, 0)? else { return Ok(Err(ServerProblem::NotElf)) };
    // Magic, 64-bit class, little-endian data.
    if !header.starts_with(&[0x7f, b'E', b'L', b'F', 2, 1]) {
        return Ok(Err(ServerProblem::NotElf));
    }
    let kind = u16::from_le_bytes(field(&header, 16));
    if ![EXEC, DYN].contains(&kind) {
        return Ok(Err(ServerProblem::NotExecutable { kind }));
    }
    let architecture = match u16::from_le_bytes(field(&header, 18)) {
        62 => Architecture::Amd64,
        183 => Architecture::Arm64,
        machine => return Ok(Err(ServerProblem::Machine { machine })),
    };
    let table = u64::from_le_bytes(field(&header, 32));
    let entry_size = u64::from(u16::from_le_bytes(field(&header, 54)));
    let count = u64::from(u16::from_le_bytes(field(&header, 56)));
    for number in 0..count {
        let Some(at) = (number * entry_size).checked_add(table) else { return Ok(Err(ServerProblem::Truncated)) };
        let Some(entry) = read_at::<PROGRAM_HEADER>(file, length, at)? else {
            return Ok(Err(ServerProblem::Truncated));
        };
        if u32::from_le_bytes(field(&entry, 0)) == PT_INTERP {
            let (offset, count) = (u64::from_le_bytes(field(&entry, 8)), u64::from_le_bytes(field(&entry, 32)));
            let mut name = Vec::new();
            file.seek(SeekFrom::Start(offset.min(length)))?;
            file.take(count.min(INTERPRETER_LIMIT)).read_to_end(&mut name)?;
            let interpreter = String::from_utf8_lossy(&name).trim_end_matches('\0').escape_debug().to_string();
            return Ok(Err(ServerProblem::Dynamic { interpreter, architecture }));
        }
    }
    Ok(Ok(architecture))
}

/// `N` bytes from `at` on, or nothing if the file of this length ends before.
fn read_at<const N: usize>(file: &mut File, length: u64, at: u64) -> io::Result<Option<[u8; N]>> {
    // Checked here, since a system may refuse to seek that far.
    if at.checked_add(N as u64).is_none_or(|end| end > length) {
        return Ok(None);
    }
    let mut bytes = [0; N];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

/// The `N` bytes of a header at a place that is a constant of this module, inside the header.
fn field<const N: usize>(header: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    for (byte, value) in bytes.iter_mut().zip(header.iter().skip(at)) {
        *byte = *value;
    }
    bytes
}
