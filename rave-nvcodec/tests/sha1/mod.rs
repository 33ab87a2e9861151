//! SHA-1 (FIPS 180-4, 6.1), which the conformance streams' hashes are of.

pub struct Sha1 {
    state: [u32; 5],
    pending: Vec<u8>,
    len_bytes: u64,
}

const BLOCK_BYTES: usize = 64;

impl Sha1 {
    pub fn new() -> Self {
        let state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
        Self { state, pending: Vec::new(), len_bytes: 0 }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.len_bytes += bytes.len() as u64;
        self.pending.extend_from_slice(bytes);
        let whole = self.pending.len() / BLOCK_BYTES * BLOCK_BYTES;
        let (state, pending) = (&mut self.state, &self.pending);
        pending[..whole].chunks_exact(BLOCK_BYTES).for_each(|block| compress(state, block));
        self.pending.drain(..whole);
    }

    pub fn finish(mut self) -> String {
        let len_bits = self.len_bytes * 8;
        let zeros = (BLOCK_BYTES + 55 - self.len_bytes as usize % BLOCK_BYTES) % BLOCK_BYTES;
        self.update(&[0x80]);
        self.update(&vec![0; zeros]);
        self.update(&len_bits.to_be_bytes());
        self.state.iter().map(|word| format!("{word:08x}")).collect()
    }
}

fn compress(state: &mut [u32; 5], block: &[u8]) {
    let mut words = [0_u32; 80];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    for at in 16..80 {
        words[at] = (words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1);
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for (at, word) in words.into_iter().enumerate() {
        let (mixed, constant) = match at {
            0..20 => (b & c | !b & d, 0x5a82_7999),
            20..40 => (b ^ c ^ d, 0x6ed9_eba1),
            40..60 => (b & c | b & d | c & d, 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6_u32),
        };
        let next =
            a.rotate_left(5).wrapping_add(mixed).wrapping_add(e).wrapping_add(constant).wrapping_add(word);
        (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
    }
    for (sum, value) in state.iter_mut().zip([a, b, c, d, e]) {
        *sum = sum.wrapping_add(value);
    }
}

#[test]
fn hashes_are_those_of_the_standard() {
    for (text, hash) in [
        ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
        ),
    ] {
        let mut sha1 = Sha1::new();
        text.as_bytes().chunks(7).for_each(|bytes| sha1.update(bytes));
        assert_eq!(sha1.finish(), hash, "{text}");
    }
}
