//! The data of a deflated entry ([RFC 1951](https://www.rfc-editor.org/rfc/rfc1951)): it must fill its compressed size
//! exactly, and inflate to exactly its size and its CRC-32.

use crc32fast::Hasher;
use flate2::{Decompress, FlushDecompress, Status};

use super::Stop;
use super::directory::Listed;
use super::fault::FaultKind;
use super::window::Window;

/// How many bytes are inflated, and inflated to, at once.
const BUFFER: usize = 64 * 1024;

/// Inflates an entry's data and compares what comes out. No more comes out than the entry's size, and nothing is kept.
pub(super) async fn inflate(
    window: &mut Window,
    entry: &Listed,
    name: &[u8],
    data_offset: u64,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<(), Stop> {
    let wrong = |what| FaultKind::BadDeflate { what }.of_entry(name, data_offset);
    let (mut inflater, mut hasher) = (Decompress::new(false), Hasher::new());
    let (mut deflated, mut inflated) = (vec![0; BUFFER], vec![0; BUFFER]);
    let (mut left, mut ended) = (entry.compressed, false);
    window.go(data_offset);
    while left > 0 && !ended {
        let len = left.min(BUFFER as u64) as usize;
        window.fill(&mut deflated[..len]).await?;
        left -= len as u64;
        let mut input = &deflated[..len];
        loop {
            let (taken, given) = (inflater.total_in(), inflater.total_out());
            let status = inflater
                .decompress(input, &mut inflated, FlushDecompress::None)
                .map_err(|_| wrong("it cannot be inflated"))?;
            // Both are within the buffers.
            input = &input[(inflater.total_in() - taken) as usize..];
            let given = (inflater.total_out() - given) as usize;
            hasher.update(&inflated[..given]);
            if inflater.total_out() > entry.size {
                return Err(wrong("it inflates to more bytes than its size").into());
            }
            ended = status == Status::StreamEnd;
            // What did not fill its buffer wants more to inflate.
            if ended || (given < BUFFER && (input.is_empty() || status == Status::BufError)) {
                break;
            }
        }
        if !input.is_empty() {
            left += input.len() as u64;
        }
        progress(data_offset + entry.compressed - left);
    }
    if !ended {
        return Err(wrong("it goes on beyond its compressed size").into());
    }
    if left > 0 {
        return Err(wrong("it ends before its compressed size").into());
    }
    if inflater.total_out() < entry.size {
        return Err(wrong("it inflates to fewer bytes than its size").into());
    }
    let (expected, actual) = (entry.crc32, hasher.finalize());
    if expected != actual {
        return Err(FaultKind::WrongCrc32 { expected, actual }
            .of_entry(name, data_offset)
            .into());
    }
    Ok(())
}
