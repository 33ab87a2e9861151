//! rave-ffmpeg.
