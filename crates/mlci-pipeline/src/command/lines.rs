use std::io::{BufRead as _, BufReader, ErrorKind, Read};

/// No line is longer; what is, becomes several.
const LONGEST: usize = 64 << 10;

/// Hands on what comes through a pipe, line by line, until `take` wants no more.
///
/// Of a line that was written over (`\r`, as progress bars do) the last state counts, as on a terminal.
pub(super) fn forward(pipe: impl Read, take: &dyn Fn(String) -> bool) {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    let mut returned = false;
    let send = |line: &mut Vec<u8>| {
        let text = String::from_utf8_lossy(line).into_owned();
        line.clear();
        take(text)
    };
    loop {
        let bytes = match reader.fill_buf() {
            Ok([]) => break,
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        for byte in bytes {
            let whole = match *byte {
                b'\n' => true,
                b'\r' => {
                    returned = true;
                    continue;
                }
                byte => {
                    if returned {
                        line.clear();
                    }
                    line.push(byte);
                    line.len() == LONGEST
                }
            };
            returned = false;
            if whole && !send(&mut line) {
                return;
            }
        }
        let read = bytes.len();
        reader.consume(read);
    }
    if !line.is_empty() {
        send(&mut line);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn lines(bytes: &[u8]) -> Vec<String> {
        let taken = RefCell::new(Vec::new());
        forward(bytes, &|line| {
            taken.borrow_mut().push(line);
            true
        });
        taken.into_inner()
    }

    #[test]
    fn lines_end_as_on_a_terminal() {
        assert_eq!(lines(b"a\nb\r\n\nc"), ["a", "b", "", "c"]);
        assert_eq!(lines(b" 1 %\r 50 %\r100 %\ndone\n"), ["100 %", "done"]);
        assert_eq!(lines(b"100 %\r"), ["100 %"]);
        assert_eq!(lines(b"\xff\n"), ["\u{fffd}"]);
    }

    #[test]
    fn a_line_without_end_takes_no_memory_without_end() {
        let long = vec![b'a'; 3 * LONGEST + 1];
        assert_eq!(lines(&long).iter().map(String::len).collect::<Vec<_>>(), [LONGEST, LONGEST, LONGEST, 1]);
    }
}
