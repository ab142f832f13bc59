//! Masking (RFC 6455 section 5.3): a four-byte key is laid over the payload again and again, by
//! exclusive or.

/// Masks or unmasks `payload`, whose first byte stands at place `offset` of its frame.
///
/// Works on blocks of a fixed width, which the compiler turns into vector instructions.
pub(super) fn apply(payload: &mut [u8], mask: [u8; 4], offset: usize) {
    let mut mask = mask;
    mask.rotate_left(offset % 4);
    let mut wide = [0; 32];
    for part in wide.as_chunks_mut::<4>().0 {
        *part = mask;
    }
    let (blocks, tail) = payload.as_chunks_mut::<32>();
    for block in blocks {
        for (byte, key) in block.iter_mut().zip(wide) {
            *byte ^= key;
        }
    }
    for (byte, key) in tail.iter_mut().zip(wide) {
        *byte ^= key;
    }
}
