//! Several sessions for one stream.

use std::num::NonZero;

use rave_core::{Code, Packet, PixelFormat, Stage};
use rave_nvcodec::{Codec, CodedVideo, DecodeSessions, SessionOptions};

use super::support::*;

/// Groups of pictures, each begun by an IDR slice, in whose packets the commands stand after it.
fn groups(count: u8, packets_per_group: u8) -> Vec<Packet> {
    let in_nal_unit =
        |kind: u8, packet: Packet| Packet { data: [&[0, 0, 1, kind], &packet.data[..]].concat(), ..packet };
    let mut packets = Vec::new();
    for group in 0..count {
        for index in 0..packets_per_group {
            let (surface, value) = (index % 4, group.wrapping_mul(31).wrapping_add(index));
            let begin = if index == 0 { plain(64, 48) } else { Vec::new() };
            // The last ones come out when the session is drained.
            let shown = if index + 3 > packets_per_group { vec![b'H', surface, 0] } else { show(surface) };
            let ticks = 40 * packets.len() as i64;
            let kind = if index == 0 { 0x65 } else { 0x41 };
            packets.push(in_nal_unit(kind, timed(&[begin, decode(surface, value), shown], ticks)));
        }
    }
    packets
}

#[test]
fn several_sessions_give_what_one_gives() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (64, 48));
    let packets = groups(7, 40);
    for sessions in [1, 2, 3, 8] {
        // The least memory that is kept ahead, and plenty.
        for ahead_mib in [0, 64] {
            let options =
                SessionOptions { sessions: NonZero::new(sessions), ahead_mib, ..Default::default() };
            let mut decoder =
                DecodeSessions::new(&emulated.library, &emulated.pool, &video, &options).unwrap();
            let mut frames = Vec::new();
            for packet in packets.clone() {
                decoder.process(packet, &mut |frame| frames.push(frame)).unwrap();
            }
            decoder.finish(&mut |frame| frames.push(frame)).unwrap();
            let frames = emulated.host(decoder.info(), frames);
            assert_eq!(times(&frames), (0..280).map(|index| 40 * index).collect::<Vec<_>>(), "{sessions}");
            for (index, frame) in frames.iter().enumerate().step_by(13) {
                assert_nv12(
                    frame,
                    ((index / 40) as u8).wrapping_mul(31).wrapping_add((index % 40) as u8),
                    (0, 0),
                );
            }
            let report = decoder.report().get();
            assert_eq!((report.frames, report.sessions, report.engines), (280, sessions as u64, 3));
            drop(decoder);
            emulated.assert_clean();
        }
    }
}

#[test]
fn as_many_sessions_as_the_gpu_has_decoders_are_made_unless_said() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (64, 48));
    let make = |video: &CodedVideo, options: &SessionOptions| {
        DecodeSessions::new(&emulated.library, &emulated.pool, video, options)
    };
    let decoder = make(&video, &SessionOptions::default()).unwrap();
    assert_eq!(decoder.report().get().sessions, 3);
    drop(decoder);
    let mpeg = CodedVideo { codec: Codec::Mpeg2, ..video };
    let error =
        make(&mpeg, &SessionOptions { sessions: NonZero::new(2), ..Default::default() }).err().unwrap();
    assert_eq!(
        error.to_string(),
        "a stream of mpeg2video cannot be split among several decoder sessions: use one"
    );
    emulated.assert_clean();
}

#[test]
fn an_error_of_one_session_ends_all_of_them() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (64, 48));
    let mut packets = groups(6, 40);
    packets[100].data.truncate(5);
    packets[100].data.extend(b"E".iter().chain(&decode(0, 1)));
    let options = SessionOptions { sessions: NonZero::new(3), ..Default::default() };
    let mut decoder = DecodeSessions::new(&emulated.library, &emulated.pool, &video, &options).unwrap();
    let mut result = packets.into_iter().try_for_each(|packet| decoder.process(packet, &mut |_| ()));
    if result.is_ok() {
        result = decoder.finish(&mut |_| ());
    }
    assert_eq!(result.unwrap_err().code(), Code::DecodeFailed);
    drop(decoder);
    emulated.assert_clean();
}

#[test]
fn sessions_that_are_dropped_in_mid_stream_end() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (64, 48));
    let options = SessionOptions { sessions: NonZero::new(3), ..Default::default() };
    let mut decoder = DecodeSessions::new(&emulated.library, &emulated.pool, &video, &options).unwrap();
    for packet in groups(3, 40) {
        decoder.process(packet, &mut |_| ()).unwrap();
    }
    drop(decoder);
    emulated.assert_clean();
}
