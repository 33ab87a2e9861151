use crate::Codec;
use crate::sys::cuvid;

/// More bytes than packets usually have. What is not written takes no memory.
pub(crate) const USUAL_PACKET_BYTES: usize = 4 << 20;
/// More slices than pictures usually have.
const USUAL_SLICES: usize = 512;

/// A picture to decode, with the bytes that the parser only lends. Its memory can be used again.
pub(crate) struct CodedPicture {
    params: cuvid::PictureParams,
    pub(crate) bitstream: Vec<u8>,
    pub(crate) slice_offsets: Vec<u32>,
}

impl Default for CodedPicture {
    fn default() -> Self {
        Self {
            params: cuvid::PictureParams::default(),
            bitstream: Vec::with_capacity(USUAL_PACKET_BYTES),
            slice_offsets: Vec::with_capacity(USUAL_SLICES),
        }
    }
}

impl CodedPicture {
    /// Becomes another picture.
    ///
    /// # Safety
    /// The parameters are as the parser hands them to its callback: their pointers are null or valid for the lengths
    /// beside them.
    pub(crate) unsafe fn fill(&mut self, params: &cuvid::PictureParams, codec: Codec) {
        // An AV1 tile has two offsets: of its first byte and of one past its last.
        let offsets = params.num_slices as usize * if codec == Codec::Av1 { 2 } else { 1 };
        // SAFETY: the caller vouches for pointers and lengths.
        unsafe { copy(params.bitstream_data, params.bitstream_data_len as usize, &mut self.bitstream) };
        // SAFETY: as above.
        unsafe { copy(params.slice_data_offsets, offsets, &mut self.slice_offsets) };
        self.params = *params;
    }

    /// The surface that it is decoded into.
    pub(crate) fn index(&self) -> i32 {
        self.params.curr_pic_idx
    }

    /// Whether it needs no other picture.
    pub(crate) fn is_intra(&self) -> bool {
        self.params.intra_pic_flag != 0
    }

    /// Whether it is the second field of a frame, whose first field has the same surface.
    pub(crate) fn is_second_field(&self) -> bool {
        self.params.second_field != 0
    }

    /// The parameters, whose pointers are valid as long as `self` is neither moved nor dropped.
    pub(crate) fn params(&mut self) -> &mut cuvid::PictureParams {
        self.params.bitstream_data = self.bitstream.as_ptr();
        self.params.slice_data_offsets = self.slice_offsets.as_ptr();
        &mut self.params
    }
}

/// Replaces what `target` holds.
///
/// # Safety
/// `data` is null or points to `len` values.
unsafe fn copy<T: Copy>(data: *const T, len: usize, target: &mut Vec<T>) {
    target.clear();
    if !data.is_null() {
        // SAFETY: not null, and the caller vouches for the length.
        target.extend_from_slice(unsafe { std::slice::from_raw_parts(data, len) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_of_av1_has_two_offsets() {
        let offsets = [0_u32, 5, 5, 9];
        let params = cuvid::PictureParams {
            slice_data_offsets: offsets.as_ptr(),
            num_slices: 2,
            ..Default::default()
        };
        let mut picture = CodedPicture { slice_offsets: vec![7; 9], ..CodedPicture::default() };
        // SAFETY: the offsets are four; the bitstream is null.
        unsafe { picture.fill(&params, Codec::Av1) };
        assert_eq!((&picture.slice_offsets[..], picture.bitstream.len()), (&offsets[..], 0));
    }
}
