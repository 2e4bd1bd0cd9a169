//! Deflating a block of an object ([RFC 1951](https://www.rfc-editor.org/rfc/rfc1951)), apart from those before it.
//!
//! A block is a pure function of its bytes, of the window of bytes before them, and of whether it is the last: blocks may be
//! made in any order and by anybody, and put together they are one stream. All but the last end on a byte, with an empty
//! stored block (3.2.4).

use flate2::{Compress, CompressError, Compression, FlushCompress, Status};

/// How many bytes of an object are deflated in one go. Each block ends with five bytes that say nothing, and begins with
/// codes of its own: 0.1 % of text at this length.
pub const BLOCK: usize = 256 * 1024;

/// How far back deflated data may refer (section 2), in bytes.
pub const WINDOW: usize = 32 * 1024;

/// What deflating a block takes in memory beside its bytes, in bytes: zlib's tables.
pub const TABLES: usize = 384 * 1024;

/// Deflates `data`, which comes after `before`.
///
/// # Errors
/// [`CompressError`]: the library broke its promises.
pub fn deflate(before: &[u8], data: &[u8], last: bool) -> Result<Vec<u8>, CompressError> {
    let mut compress = Compress::new(Compression::default(), false);
    let before = &before[before.len().saturating_sub(WINDOW)..];
    if !before.is_empty() {
        compress.set_dictionary(before)?;
    }
    let flush = match last {
        true => FlushCompress::Finish,
        false => FlushCompress::Sync,
    };
    let mut out = Vec::with_capacity(data.len() / 3 + 64);
    loop {
        // At most the length of `data`.
        let taken = compress.total_in() as usize;
        let status = compress.compress_vec(&data[taken..], &mut out, flush)?;
        // Flushed is what leaves room in the output.
        let flushed = compress.total_in() == data.len() as u64 && out.len() < out.capacity();
        if status == Status::StreamEnd || (!last && flushed) {
            return Ok(out);
        }
        out.reserve(data.len() / 2 + 64);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::DeflateDecoder;
    use proptest::prelude::*;

    use super::*;

    fn inflated(deflated: &[u8]) -> Vec<u8> {
        let mut data = Vec::new();
        DeflateDecoder::new(deflated)
            .read_to_end(&mut data)
            .unwrap();
        data
    }

    /// Bytes that cannot be deflated.
    fn noise(bytes: usize) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(1);
        (0..bytes).map(|_| random.u8(..)).collect()
    }

    #[test]
    fn a_block_refers_to_what_was_before_it() {
        let noise = noise(WINDOW / 2);
        let apart = deflate(&[], &noise, true).unwrap();
        let behind = deflate(&noise, &noise, true).unwrap();
        assert!(behind.len() * 10 < apart.len(), "{}", behind.len());
        let both = [deflate(&[], &noise, false).unwrap(), behind].concat();
        assert_eq!(inflated(&both), noise.repeat(2));
    }

    #[test]
    fn what_cannot_be_deflated_hardly_grows() {
        let noise = noise(BLOCK);
        let deflated = deflate(&[], &noise, false).unwrap();
        assert!(deflated.len() > noise.len() && deflated.len() < noise.len() + noise.len() / 512);
    }

    proptest! {
        #[test]
        fn blocks_are_one_stream(
            blocks in prop::collection::vec(prop::collection::vec(prop_oneof![Just(b'a'), any::<u8>()], 0..5000), 1..6)
        ) {
            let (mut stream, mut whole) = (Vec::new(), Vec::new());
            for (index, block) in blocks.iter().enumerate() {
                stream.extend(deflate(&whole, block, index + 1 == blocks.len()).unwrap());
                whole.extend(block);
            }
            prop_assert_eq!(inflated(&stream), whole);
        }
    }
}
