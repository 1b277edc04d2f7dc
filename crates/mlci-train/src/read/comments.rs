use std::io::{self, Read};

/// Takes the lines away that begin with a byte, and leaves an empty line where each was, so that lines are counted as
/// before. Inside of quotes a line begins no record, and stays.
///
/// Line ends have to be `\n`.
pub(super) struct Comments<R> {
    inner: R,
    comment: u8,
    delimiter: u8,
    state: State,
}

/// Where the next byte stands, by RFC 4180 as the csv crate reads it: a quote opens a field at its beginning only.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Record,
    Comment,
    Field,
    Plain,
    Quoted,
    /// Behind a quote inside of quotes: the end of the field, or one half of a doubled quote.
    QuoteInQuotes,
}

impl<R> Comments<R> {
    pub(super) fn new(inner: R, comment: u8, delimiter: u8) -> Self {
        Self { inner, comment, delimiter, state: State::Record }
    }

    fn after(&self, byte: u8) -> State {
        match (self.state, byte) {
            (State::Record, byte) if byte == self.comment => State::Comment,
            (State::Record | State::Field, b'"') | (State::QuoteInQuotes, b'"') => State::Quoted,
            (State::Quoted, b'"') => State::QuoteInQuotes,
            (State::Quoted, _) => State::Quoted,
            (_, b'\n') => State::Record,
            (State::Comment, _) => State::Comment,
            (_, byte) if byte == self.delimiter => State::Field,
            _ => State::Plain,
        }
    }
}

impl<R: Read> Read for Comments<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let read = self.inner.read(buffer)?;
            let mut kept = 0;
            for index in 0..read {
                let Some(byte) = buffer.get(index).copied() else { break };
                self.state = self.after(byte);
                if self.state != State::Comment
                    && let Some(place) = buffer.get_mut(kept)
                {
                    *place = byte;
                    kept += 1;
                }
            }
            // Nothing may remain of what was read; nothing was read at the end only.
            if kept > 0 || read == 0 {
                return Ok(kept);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let mut found = String::new();
        Comments::new(text.as_bytes(), b'#', b',').read_to_string(&mut found).unwrap();
        assert_eq!(found, expected);
    }

    #[test]
    fn lines_that_are_comments() {
        check("#a\n1,2\n#\n3,#4\n", "\n1,2\n\n3,#4\n");
        check("# a \"quote\n1,\"b\n# c\n\"\n#end", "\n1,\"b\n# c\n\"\n");
        check("1,\"b\"\"\n# c\"\n# d\n", "1,\"b\"\"\n# c\"\n\n");
        // A quote within a field that began without one opens nothing.
        check("5\" pipe\n# c\n", "5\" pipe\n\n");
        check(" #no\n\"#no\"\n", " #no\n\"#no\"\n");
    }
}
