use std::ptr::NonNull;
use std::slice;

use rave_core::{Packet, PacketSideData, TimeBase, Timestamp};

use super::{AvError, ffi, known, read_enum};

/// An `AVPacket`, with or without data.
pub(crate) struct AvPacket(NonNull<ffi::AVPacket>);

// SAFETY: a packet has one owner, and its buffers' reference counts are atomic.
unsafe impl Send for AvPacket {}

impl AvPacket {
    pub(crate) fn new() -> Result<Self, AvError> {
        // SAFETY: no arguments.
        NonNull::new(unsafe { ffi::av_packet_alloc() }).map(Self).ok_or(AvError::NO_MEMORY)
    }

    pub(super) const fn as_ptr(&self) -> *mut ffi::AVPacket {
        self.0.as_ptr()
    }

    fn get(&self) -> &ffi::AVPacket {
        // SAFETY: allocated in `new`, ours until drop.
        unsafe { self.0.as_ref() }
    }

    fn get_mut(&mut self) -> &mut ffi::AVPacket {
        // SAFETY: as in `get`.
        unsafe { self.0.as_mut() }
    }

    /// Makes it empty.
    pub(crate) fn clear(&mut self) {
        // SAFETY: a valid packet.
        unsafe { ffi::av_packet_unref(self.as_ptr()) };
    }

    /// Replaces the data by a copy of `data`, with the padding that decoders read past the end.
    pub(crate) fn set_data(&mut self, data: &[u8]) -> Result<(), AvError> {
        let length = i32::try_from(data.len()).map_err(|_| AvError::NO_MEMORY)?;
        self.clear();
        // SAFETY: a valid, empty packet; on success `data` points to `length` writable bytes.
        unsafe {
            AvError::check(ffi::av_new_packet(self.as_ptr(), length))?;
            (*self.as_ptr()).data.copy_from_nonoverlapping(data.as_ptr(), data.len());
        }
        Ok(())
    }

    /// A copy, whose times are in `time_base`.
    pub(crate) fn to_packet(&self, time_base: TimeBase) -> Packet {
        let at = |ticks| Timestamp::new(ticks, time_base);
        let has = |flag| self.flags() & flag != 0;
        Packet {
            data: self.data().to_vec(),
            pts: self.pts().map(at),
            dts: self.dts().map(at),
            duration_ticks: self.duration(),
            is_key: has(ffi::AV_PKT_FLAG_KEY),
            is_discarded: has(ffi::AV_PKT_FLAG_DISCARD),
            is_corrupt: has(ffi::AV_PKT_FLAG_CORRUPT),
            side_data: self.side_data(),
        }
    }

    pub(crate) fn data(&self) -> &[u8] {
        let packet = self.get();
        match usize::try_from(packet.size) {
            // SAFETY: `data` points to `size` bytes that live as long as the packet's buffer.
            Ok(size) if size > 0 && !packet.data.is_null() => unsafe {
                slice::from_raw_parts(packet.data, size)
            },
            _ => &[],
        }
    }

    pub(crate) fn add_side_data(&mut self, kind: i32, data: &[u8]) -> Result<(), AvError> {
        // SAFETY: the kind is a number that libav gave us for the same enum; the new array holds `data.len()` bytes.
        unsafe {
            let kind = std::mem::transmute::<i32, ffi::AVPacketSideDataType>(kind);
            let target = ffi::av_packet_new_side_data(self.as_ptr(), kind, data.len());
            if target.is_null() {
                return Err(AvError::NO_MEMORY);
            }
            target.copy_from_nonoverlapping(data.as_ptr(), data.len());
        }
        Ok(())
    }

    pub(crate) fn side_data(&self) -> Vec<PacketSideData> {
        let packet = self.get();
        let count = usize::try_from(packet.side_data_elems).unwrap_or(0);
        // SAFETY: `side_data` points to `side_data_elems` elements, each with `size` bytes of data.
        (0..count)
            .map(|index| unsafe {
                let element = packet.side_data.add(index);
                let data = slice::from_raw_parts((*element).data, (*element).size).to_vec();
                PacketSideData { kind: read_enum!(element, type_), data }
            })
            .collect()
    }

    pub(crate) fn stream_index(&self) -> usize {
        usize::try_from(self.get().stream_index).unwrap_or(usize::MAX)
    }

    pub(crate) fn set_stream_index(&mut self, index: usize) {
        self.get_mut().stream_index = i32::try_from(index).expect("libav numbers streams by int");
    }

    pub(crate) fn pts(&self) -> Option<i64> {
        known(self.get().pts)
    }

    pub(crate) fn dts(&self) -> Option<i64> {
        known(self.get().dts)
    }

    pub(crate) fn duration(&self) -> Option<i64> {
        Some(self.get().duration).filter(|&ticks| ticks > 0)
    }

    pub(crate) fn set_times(&mut self, pts: Option<i64>, dts: Option<i64>, duration: Option<i64>) {
        let packet = self.get_mut();
        packet.pts = pts.unwrap_or(ffi::AV_NOPTS_VALUE);
        packet.dts = dts.unwrap_or(ffi::AV_NOPTS_VALUE);
        packet.duration = duration.unwrap_or(0);
    }

    /// The position in the source means nothing in another file.
    pub(crate) fn forget_position(&mut self) {
        self.get_mut().pos = -1;
    }

    pub(crate) fn flags(&self) -> i32 {
        self.get().flags
    }

    pub(crate) fn set_flags(&mut self, flags: i32) {
        self.get_mut().flags = flags;
    }
}

impl Drop for AvPacket {
    fn drop(&mut self) {
        let mut packet = self.as_ptr();
        // SAFETY: allocated in `new`, freed once.
        unsafe { ffi::av_packet_free(&mut packet) };
    }
}
