use std::path::Path;

use rave_core::Timestamp;

use crate::{Error, Input, Survey, demuxer, probe};

/// The presentation times of a file's video frames, in order, without decoding: what a player shows.
///
/// As [`StreamSurvey::shown_times`](crate::StreamSurvey::shown_times). `stream` is the index of the stream, or the best
/// video stream if `None`.
///
/// # Errors
/// As [`Demuxer::open`](crate::Demuxer::open) for what cannot be opened; [`Error::Demux`] if reading fails.
pub fn read_video_timestamps(path: &Path, stream: Option<usize>) -> Result<Vec<Timestamp>, Error> {
    let input = Input::from(path);
    let index = demuxer::choose(&input, &probe(&input)?, stream)?;
    let survey = Survey::read(&input, |stream| stream.index == index)?;
    Ok(survey.streams.into_iter().flatten().next().map_or_else(Vec::new, |stream| stream.shown_times()))
}
