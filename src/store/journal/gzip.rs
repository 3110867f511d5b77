//! The form of a compressed segment: gzip in blocks, which any `gunzip` reads.
//!
//! Each block of [`BLOCK_BYTES`] is a gzip member of its own, and its header says where the next one begins. So
//! one entry is read by stepping over headers and inflating one block, without a cache of inflated segments;
//! and damage costs the entries of one block, not of the segment. That takes five bytes in a hundred more than
//! blocks of 256 KiB, which are read at half the speed.
//!
//! ```text
//! gzip header with an extra field "RP" of five u32:
//!     number of the block | blocks in all | bytes of the member | CRC32C of what follows the header | CRC32C of these four
//! deflate data | u32 CRC32 | u32 bytes inflated
//! ```
//! Integers are little-endian. Gzip's own checksum is of the inflated bytes, and does not see every bit in the file.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use flate2::read::GzDecoder;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// Bytes of a segment in each block but the last.
const BLOCK_BYTES: usize = 64 << 10;
/// More blocks are neither written nor believed: 4 GiB of segment.
const BLOCKS_MAX: u32 = 1 << 16;
/// What all headers begin with: deflate, one extra field, no time, no system; 24 bytes of extra, 20 of them ours.
const HEAD: &[u8; 16] = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x18\0RP\x14\0";
/// Bytes of a header.
const HEADER_BYTES: usize = HEAD.len() + 20;

/// What a header says.
#[derive(Clone, Copy, Debug)]
struct Header {
    /// Number of the block, from 0.
    number: u32,
    /// How many there are.
    blocks: u32,
    /// Bytes of the member, with this header.
    length: u32,
    /// CRC32C of the member behind this header.
    crc: u32,
}

impl Header {
    fn encode(self) -> Vec<u8> {
        let numbers = [self.number, self.blocks, self.length, self.crc];
        let fields = numbers.map(u32::to_le_bytes).concat();
        [HEAD, &fields[..], &crc32c::crc32c(&fields).to_le_bytes()].concat()
    }

    /// The header at the start of `bytes`; none when it is cut short or damaged.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (fields, rest) = bytes.strip_prefix(HEAD)?.split_first_chunk::<16>()?;
        let (crc, _) = rest.split_first_chunk::<4>()?;
        if crc32c::crc32c(fields) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut numbers = fields.chunks_exact(4).filter_map(|field| field.try_into().ok()).map(u32::from_le_bytes);
        let header =
            Self { number: numbers.next()?, blocks: numbers.next()?, length: numbers.next()?, crc: numbers.next()? };
        let plausible = header.number < header.blocks && header.blocks <= BLOCKS_MAX;
        (plausible && usize::try_from(header.length).is_ok_and(|length| length >= HEADER_BYTES)).then_some(header)
    }

    fn is_last(self) -> bool {
        self.number.saturating_add(1) == self.blocks
    }
}

/// Where block `number` begins in the segment.
fn offset(number: u32) -> u64 {
    u64::from(number).saturating_mul(u64::try_from(BLOCK_BYTES).unwrap_or(u64::MAX))
}

/// Compresses a segment block by block, and says whether it got to the end: `go_on` is asked before each block.
///
/// # Errors
/// When it cannot be written, or is longer than would be believed.
pub(super) fn deflate(plain: &[u8], to: &mut dyn Write, go_on: &mut dyn FnMut() -> bool) -> io::Result<bool> {
    let blocks = u32::try_from(plain.chunks(BLOCK_BYTES).len()).unwrap_or(u32::MAX);
    if blocks > BLOCKS_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the segment is too long"));
    }
    for (number, block) in (0..).zip(plain.chunks(BLOCK_BYTES)) {
        if !go_on() {
            return Ok(false);
        }
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(block)?;
        let data = encoder.finish()?;
        let mut crc = Crc::new();
        crc.update(block);
        let body = [&data[..], &crc.sum().to_le_bytes(), &crc.amount().to_le_bytes()].concat();
        let length = u32::try_from(HEADER_BYTES.saturating_add(body.len())).unwrap_or(u32::MAX);
        to.write_all(&Header { number, blocks, length, crc: crc32c::crc32c(&body) }.encode())?;
        to.write_all(&body)?;
    }
    Ok(true)
}

/// One block, as far as it could be read.
struct Block {
    header: Header,
    bytes: Vec<u8>,
    /// Whether that is all of it.
    whole: bool,
}

impl Block {
    fn inflate(header: Header, member: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(BLOCK_BYTES);
        // One byte more than there may be, so that the end and its checksum are always met.
        let limit = u64::try_from(BLOCK_BYTES).unwrap_or(u64::MAX).saturating_add(1);
        let read = GzDecoder::new(member).take(limit).read_to_end(&mut bytes);
        let sound = read.is_ok() && crc32c::crc32c(member.get(HEADER_BYTES..).unwrap_or_default()) == header.crc;
        let whole = sound && (bytes.len() == BLOCK_BYTES || (header.is_last() && bytes.len() < BLOCK_BYTES));
        bytes.truncate(BLOCK_BYTES);
        Self { header, bytes, whole }
    }
}

/// The blocks that are found; behind a damaged header, the next one is searched for.
fn blocks(mut packed: &[u8]) -> impl Iterator<Item = Block> {
    std::iter::from_fn(move || {
        while !packed.is_empty() {
            if let Some(header) = Header::decode(packed) {
                let length = usize::try_from(header.length).unwrap_or(usize::MAX);
                let (member, behind) = packed.split_at_checked(length).unwrap_or((packed, &[]));
                packed = behind;
                return Some(Block::inflate(header, member));
            }
            let next = packed.windows(HEAD.len()).skip(1).position(|bytes| bytes == HEAD);
            packed = next.and_then(|skipped| packed.get(skipped.saturating_add(1)..)).unwrap_or_default();
        }
        None
    })
}

/// Whether `packed` inflates to `plain`, and is found whole by whoever reads it.
pub(super) fn is_of(packed: &[u8], plain: &[u8]) -> bool {
    let mut expected = plain.chunks(BLOCK_BYTES);
    blocks(packed).all(|block| block.whole && expected.next() == Some(&block.bytes)) && expected.next().is_none()
}

/// A segment, as far as it could be inflated.
pub(super) struct Inflated {
    /// Its bytes; zeros, which are no entry, where they are lost, but no longer than to the last that are not.
    pub(super) bytes: Vec<u8>,
    /// From the first damaged block to the last, in bytes of the segment.
    pub(super) flaw: Option<Range<u64>>,
}

/// Inflates all blocks that can be read.
pub(super) fn inflate(packed: &[u8]) -> Inflated {
    let mut inflated = Inflated { bytes: Vec::new(), flaw: None };
    let (mut expected, mut count) = (0, 1);
    for Block { header, bytes, whole } in blocks(packed) {
        if header.number != expected {
            inflated.flawed(expected, header.number);
        }
        if !whole {
            inflated.flawed(header.number, header.number.saturating_add(1));
        }
        inflated.bytes.resize(usize::try_from(offset(header.number)).unwrap_or(usize::MAX), 0);
        inflated.bytes.extend_from_slice(&bytes);
        (expected, count) = (header.number.saturating_add(1), header.blocks);
    }
    if expected != count {
        inflated.flawed(expected, count);
    }
    inflated
}

impl Inflated {
    fn flawed(&mut self, from: u32, to: u32) {
        let start = self.flaw.as_ref().map_or(offset(from), |flaw| flaw.start);
        self.flaw = Some(start..offset(to));
    }
}

/// Reads a compressed segment from an offset of the inflated one on.
///
/// # Errors
/// When the file cannot be read. Damage shows when it is met, as [`io::ErrorKind::InvalidData`] or an early end.
pub(super) fn reader_at(mut file: File, at: u64) -> io::Result<Box<dyn Read>> {
    let block = at / offset(1);
    let mut start = 0;
    let mut header = [0; HEADER_BYTES];
    loop {
        file.read_exact_at(&mut header, start)?;
        match Header::decode(&header) {
            Some(header) if u64::from(header.number) == block => break,
            Some(header) => start = start.saturating_add(u64::from(header.length)),
            // Steps end at a damaged header; a search behind it may find the block all the same.
            None => {
                let mut packed = Vec::new();
                file.read_to_end(&mut packed)?;
                let mut inflated = Cursor::new(inflate(&packed).bytes);
                inflated.set_position(at);
                return Ok(Box::new(inflated));
            }
        }
    }
    file.seek(SeekFrom::Start(start))?;
    let mut inflated = flate2::read::MultiGzDecoder::new(BufReader::new(file));
    io::copy(&mut (&mut inflated).take(at.saturating_sub(offset(1).saturating_mul(block))), &mut io::sink())?;
    Ok(Box::new(inflated))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text with digits that do not repeat, so that it is neither empty nor incompressible.
    fn text(length: usize) -> Vec<u8> {
        let mut state = 7_u64;
        let words = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("{{\"number\":{}}}", state >> 40)
        });
        words.take(length / 12 + 1).collect::<String>().into_bytes()[..length].to_vec()
    }

    fn packed(plain: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        assert!(deflate(plain, &mut packed, &mut || true).unwrap());
        packed
    }

    fn read_at(packed: &[u8], at: usize, length: usize) -> io::Result<Vec<u8>> {
        let mut file = tempfile::tempfile()?;
        file.write_all(packed)?;
        file.rewind()?;
        let mut bytes = vec![0; length];
        reader_at(file, u64::try_from(at).unwrap())?.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn any_length_comes_back_whole_from_any_offset_and_by_any_gunzip() {
        for length in [1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 7] {
            let plain = text(length);
            let packed = packed(&plain);
            assert!(is_of(&packed, &plain) && !is_of(&packed, &plain[1..]) && !is_of(&packed[1..], &plain));
            let Inflated { bytes, flaw } = inflate(&packed);
            assert!(bytes == plain && flaw.is_none(), "{length} bytes");
            let mut gunzipped = Vec::new();
            flate2::read::MultiGzDecoder::new(&packed[..]).read_to_end(&mut gunzipped).unwrap();
            assert!(gunzipped == plain, "{length} bytes");
            for at in (0..length).step_by(length.div_ceil(9)) {
                assert!(read_at(&packed, at, length - at).unwrap() == plain[at..], "{at} of {length} bytes");
            }
            assert!(read_at(&packed, length, 1).is_err() && read_at(&packed, 9 * BLOCK_BYTES, 1).is_err());
        }
    }

    #[test]
    fn damage_is_noticed_and_costs_one_block() {
        let plain = text(2 * BLOCK_BYTES + 5_000);
        let whole = packed(&plain);
        let lengths: Vec<usize> =
            (0..3).map(|number| packed(plain.chunks(BLOCK_BYTES).nth(number).unwrap()).len()).collect();
        assert_eq!(lengths.iter().sum::<usize>(), whole.len());
        let second = lengths[0]..lengths[0] + lengths[1];
        let flips =
            second.clone().take(HEADER_BYTES + 8).chain(second.clone().step_by(997)).chain(second.end - 8..second.end);
        for at in flips {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            assert!(!is_of(&damaged, &plain), "byte {at}");
            let Inflated { bytes, flaw } = inflate(&damaged);
            assert_eq!(flaw, Some(offset(1)..offset(2)), "byte {at}");
            assert_eq!(bytes.len(), plain.len());
            assert!(bytes[..BLOCK_BYTES] == plain[..BLOCK_BYTES], "byte {at}");
            assert!(bytes[2 * BLOCK_BYTES..] == plain[2 * BLOCK_BYTES..], "byte {at}");
            assert!(read_at(&damaged, 70, 30).unwrap() == plain[70..100]);
            assert!(read_at(&damaged, 2 * BLOCK_BYTES + 70, 30).unwrap() == plain[2 * BLOCK_BYTES + 70..][..30]);
        }
        for length in (0..whole.len()).step_by(997).chain([second.start, second.end]) {
            let Inflated { bytes, flaw } = inflate(&whole[..length]);
            let kept = flaw.expect("a cut is noticed").start;
            assert!(bytes.starts_with(&plain[..usize::try_from(kept).unwrap()]), "cut at {length}");
        }
    }
}
