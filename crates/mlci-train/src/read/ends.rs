/// Where the fields of text without quotes end: at each delimiter, at each `\n`, and at the end of the text.
///
/// All are found before any field is read, 64 bytes at a time, so that no number waits for the end of the one before it
/// (after Langdale & Lemire, *Parsing Gigabytes of JSON per Second*, The VLDB Journal 28, 2019). Texts are shorter than
/// 4 GiB: see [`LONGEST_ROW`](super::chunks::LONGEST_ROW). `expected` is about how many there are.
pub(super) fn ends(bytes: &[u8], delimiter: u8, expected: usize) -> Vec<u32> {
    let mut ends = Ends { places: vec![0; expected + BLOCK], filled: 0 };
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let mut base = 0;
    for block in blocks {
        ends.put(base, found(block, delimiter));
        base += BLOCK as u32;
    }
    // Delimiters are ASCII.
    let mut block = [u8::MAX; BLOCK];
    block.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
    ends.put(base, found(&block, delimiter) | 1 << rest.len());
    ends.places.truncate(ends.filled);
    ends.places
}

const BLOCK: usize = 64;

/// A bit for each byte that is an end, that of the first byte the lowest.
fn found(block: &[u8; BLOCK], delimiter: u8) -> u64 {
    let is_end = block.map(|byte| u8::from(byte == delimiter) | u8::from(byte == b'\n'));
    let (eights, _) = is_end.as_chunks::<8>();
    // The product moves the lowest bit of each byte into the highest byte, each to its own place.
    let bits = |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    eights.iter().enumerate().fold(0, |all, (place, eight)| all | bits(eight) << (8 * place))
}

struct Ends {
    places: Vec<u32>,
    filled: usize,
}

impl Ends {
    fn put(&mut self, base: u32, mut found: u64) {
        if self.places.len() < self.filled + BLOCK {
            self.places.resize(2 * self.places.len(), 0);
        }
        let room = self.places.get_mut(self.filled..self.filled + BLOCK).unwrap_or_default();
        self.filled += found.count_ones() as usize;
        // Eight at a time, wanted or not: a block of numbers has hardly more, and as many turns as there are bits would
        // be mispredicted at each block.
        for eight in room.as_chunks_mut::<8>().0 {
            for place in eight {
                *place = base + found.trailing_zeros();
                found &= found.wrapping_sub(1);
            }
            if found == 0 {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], delimiter: u8) {
        let is_end = |byte: &u8| *byte == delimiter || *byte == b'\n';
        let places = bytes.iter().enumerate().filter(|(_, byte)| is_end(byte)).map(|(place, _)| place as u32);
        let expected: Vec<u32> = places.chain([bytes.len() as u32]).collect();
        for about in [0, 5, expected.len()] {
            assert_eq!(ends(bytes, delimiter, about), expected, "{bytes:?} by {delimiter}");
        }
    }

    #[test]
    fn of_every_length_and_number() {
        for length in 0..200 {
            let text = |every: usize| -> Vec<u8> {
                (0..length).map(|at| if at % every == 0 { b",\n"[at % 2] } else { b'7' }).collect()
            };
            for every in [1, 2, 3, 5, 7, 64, 1000] {
                check(&text(every), b',');
            }
            check(&vec![0; length], b',');
            check(&vec![b'\t'; length], b'\t');
        }
        let all: Vec<u8> = (0..=255).collect();
        (0..=127).for_each(|delimiter| check(&all, delimiter));
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), delimiter in 0_u8..128) {
            check(&bytes, delimiter);
        }

        #[test]
        fn of_tables(text in "([-0-9.]{0,9}[,\n]){0,60}") {
            check(text.as_bytes(), b',');
        }
    }
}
