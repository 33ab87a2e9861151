use std::marker::PhantomData;
use std::ptr::NonNull;
use std::slice;

use rave_core::{Rational, TimeBase};

use super::{DictionaryRef, ParametersRef, SideData, ffi, known, rational, read_enum, time_base};

/// A stream of an open input.
#[derive(Clone, Copy)]
pub(crate) struct StreamRef<'a> {
    raw: NonNull<ffi::AVStream>,
    owner: PhantomData<&'a ffi::AVStream>,
}

impl<'a> StreamRef<'a> {
    /// # Safety
    /// `raw` is a stream of a context that lives, and is not read from, for `'a`.
    pub(super) const unsafe fn new(raw: NonNull<ffi::AVStream>) -> Self {
        Self { raw, owner: PhantomData }
    }

    fn get(self) -> &'a ffi::AVStream {
        // SAFETY: valid for 'a (constructor).
        unsafe { self.raw.as_ref() }
    }

    pub(crate) fn index(self) -> usize {
        usize::try_from(self.get().index).expect("libav numbers streams from 0")
    }

    /// The number by which the container knows the stream: a track or packet identifier.
    pub(crate) fn id(self) -> i32 {
        self.get().id
    }

    pub(crate) fn parameters(self) -> ParametersRef<'a> {
        let raw = NonNull::new(self.get().codecpar).expect("libav gives every stream parameters");
        // SAFETY: they belong to the stream.
        unsafe { ParametersRef::new(raw) }
    }

    pub(crate) fn time_base(self) -> TimeBase {
        time_base(self.get().time_base)
    }

    pub(crate) fn start(self) -> Option<i64> {
        known(self.get().start_time)
    }

    pub(crate) fn duration(self) -> Option<i64> {
        known(self.get().duration).filter(|&ticks| ticks > 0)
    }

    pub(crate) fn frame_count(self) -> Option<u64> {
        u64::try_from(self.get().nb_frames).ok().filter(|&count| count > 0)
    }

    pub(crate) fn disposition(self) -> i32 {
        self.get().disposition
    }

    pub(crate) fn is_attached_picture(self) -> bool {
        self.disposition() & ffi::AV_DISPOSITION_ATTACHED_PIC != 0
    }

    pub(crate) fn average_frame_rate(self) -> Option<Rational> {
        rational(self.get().avg_frame_rate)
    }

    pub(crate) fn real_frame_rate(self) -> Option<Rational> {
        rational(self.get().r_frame_rate)
    }

    pub(crate) fn sample_aspect_ratio(self) -> Option<Rational> {
        rational(self.get().sample_aspect_ratio)
    }

    pub(crate) fn metadata(self) -> DictionaryRef<'a> {
        // SAFETY: it belongs to the stream.
        unsafe { DictionaryRef::new(self.get().metadata) }
    }

    pub(crate) fn side_data(self, wanted: SideData) -> Option<&'a [u8]> {
        let (elements, count) = self.all_side_data();
        for index in 0..usize::try_from(count).unwrap_or(0) {
            // SAFETY: `elements` points to `count` elements of the stream, each with `size` bytes.
            unsafe {
                let element = elements.add(index);
                if read_enum!(element, type_) == wanted.number() {
                    return Some(slice::from_raw_parts((*element).data, (*element).size));
                }
            }
        }
        None
    }

    /// Everything of the kind that belongs to the whole stream, as numbers and bytes.
    pub(crate) fn copy_side_data(self) -> Vec<(i32, Vec<u8>)> {
        let (elements, count) = self.all_side_data();
        (0..usize::try_from(count).unwrap_or(0))
            .map(|index| {
                // SAFETY: as in `side_data`.
                unsafe {
                    let element = elements.add(index);
                    let data = slice::from_raw_parts((*element).data, (*element).size).to_vec();
                    (read_enum!(element, type_), data)
                }
            })
            .collect()
    }

    #[cfg(not(ffmpeg_8_0))]
    fn all_side_data(self) -> (*const ffi::AVPacketSideData, i32) {
        (self.get().side_data, self.get().nb_side_data)
    }

    #[cfg(ffmpeg_8_0)]
    fn all_side_data(self) -> (*const ffi::AVPacketSideData, i32) {
        let raw = self.parameters().as_ptr();
        // SAFETY: they belong to the stream.
        unsafe { ((*raw).coded_side_data, (*raw).nb_coded_side_data) }
    }

    /// The cover's bytes, where the stream is an attached picture.
    pub(crate) fn attached_picture(self) -> &'a [u8] {
        let packet = &self.get().attached_pic;
        match usize::try_from(packet.size) {
            // SAFETY: the packet belongs to the stream and holds `size` bytes.
            Ok(size) if size > 0 && !packet.data.is_null() => unsafe {
                slice::from_raw_parts(packet.data, size)
            },
            _ => &[],
        }
    }
}
