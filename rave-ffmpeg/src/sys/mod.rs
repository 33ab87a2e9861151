//! Owning guards over libav's structures, and the few facts about them that the rest of the crate needs.
//!
//! Only this module and its children touch raw pointers. Fields of C enum types are read and written as numbers: a
//! library that is newer than its bindings may store a value that Rust's enum does not have.

mod bitstream;
mod codec;
mod component;
mod dictionary;
mod encoder;
mod error;
mod frame;
mod input;
mod md5;
mod output;
mod packet;
mod parameters;
mod pixel;
mod scale;
mod side_data;
mod stream;
mod subtitle;

pub(crate) use ffmpeg_next::ffi;

pub use bitstream::BitstreamFilter;
pub(crate) use codec::{DecoderContext, DecoderSettings, Received, codec_name};
pub(crate) use component::Component;
pub(crate) use dictionary::{Dictionary, DictionaryRef};
pub(crate) use encoder::{Encoder, EncoderContext, EncoderSettings};
pub use error::AvError;
pub(crate) use frame::{AvFrame, FrameColor};
pub(crate) use input::{InputContext, RawChapter};
pub(crate) use md5::Md5;
pub(crate) use output::{NewStream, OutputContext, OutputFormat};
pub(crate) use packet::AvPacket;
pub(crate) use parameters::{MediaType, Parameters, ParametersRef};
pub(crate) use pixel::PixelDescriptor;
pub(crate) use scale::{Scaler, Shape};
pub(crate) use side_data::SideData;
pub(crate) use stream::StreamRef;
pub(crate) use subtitle::SubtitleConverter;

use std::ffi::{CStr, c_char};
use std::sync::Once;

use rave_core::{Rational, TimeBase};

/// Reads a field of a C enum type as its number.
macro_rules! read_enum {
    ($pointer:expr, $field:ident) => {
        (&raw const (*$pointer).$field).cast::<std::ffi::c_int>().read()
    };
}

/// Writes a field of a C enum type as its number.
macro_rules! write_enum {
    ($pointer:expr, $field:ident, $value:expr) => {
        (&raw mut (*$pointer).$field).cast::<std::ffi::c_int>().write($value)
    };
}

pub(crate) use {read_enum, write_enum};

/// Turns libav's own logging off, once: it would print on stderr.
pub(crate) fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Quiet));
}

/// A timestamp, unless it is libav's "none".
pub(crate) const fn known(ticks: i64) -> Option<i64> {
    if ticks == ffi::AV_NOPTS_VALUE { None } else { Some(ticks) }
}

/// A rational, unless it is zero, negative or undefined, which libav uses for "unknown".
pub(crate) fn rational(value: ffi::AVRational) -> Option<Rational> {
    Rational::new(i64::from(value.num), i64::from(value.den)).ok()
}

pub(crate) fn av_rational(value: Rational) -> ffi::AVRational {
    ffi::AVRational { num: value.numerator(), den: value.denominator() }
}

pub(crate) fn av_time_base(value: TimeBase) -> ffi::AVRational {
    av_rational(value.seconds_per_tick())
}

/// The time base, or libav's default of 1/90000 where a stream has none.
pub(crate) fn time_base(value: ffi::AVRational) -> TimeBase {
    const MPEG: (i64, i64) = (1, 90_000);
    TimeBase::new(i64::from(value.num), i64::from(value.den))
        .or_else(|_| TimeBase::new(MPEG.0, MPEG.1))
        .expect("1/90000 is positive")
}

/// A C string as text; bytes that are not UTF-8 become replacement characters. `None` for null.
///
/// # Safety
/// `text` is null or points to a string that ends with zero and lives during the call.
pub(crate) unsafe fn text(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not null, and the caller vouches for the rest.
    Some(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}
