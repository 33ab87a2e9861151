//! What muxers are told beside the streams.

use rave_core::TimeBase;

use crate::container::Family;
use crate::sys::{AvError, Dictionary, InputContext};
use crate::tags::{self, Place};
use crate::{Container, EncodedStream};

/// The muxer's own options.
pub(crate) fn settings(
    container: &Container,
    video: &EncodedStream,
    reader: Option<&InputContext>,
) -> Result<Dictionary, AvError> {
    let mut settings = Dictionary::new();
    match container.family() {
        Family::Mov => {
            let place = reader.map(|reader| tags::place(reader, container));
            let flags = match place {
                Some(Place::AppleKeys) => "+faststart+use_metadata_tags",
                _ => "+faststart",
            };
            settings.set("movflags", flags)?;
            // So that the start of each track is as exact as the video's times.
            settings.set("movie_timescale", &movie_timescale(video.time_base()).to_string())?;
        }
        Family::TransportStream => {
            settings.set("mpegts_m2ts_mode", if container.name() == "m2ts" { "1" } else { "0" })?;
        }
        Family::Matroska | Family::Nut | Family::Raw | Family::Ivf => {}
    }
    Ok(settings)
}

/// A multiple of the video track's timescale, so that the start of the picture is exact, and so fine that the start of
/// sound at 96 kHz is exact to the sample.
fn movie_timescale(time_base: TimeBase) -> i32 {
    const LEAST: i32 = 192_000;
    const MOST: i32 = 1 << 28;
    let mut timescale = time_base.seconds_per_tick().denominator().min(MOST);
    while timescale < LEAST {
        timescale *= 2;
    }
    timescale
}
