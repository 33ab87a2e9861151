//! Frames, their samples and their times.

use rave_core::{Chroma, Packet, PixelFormat};
use rave_nvcodec::{Codec, CodedVideo};

use super::support::*;

#[test]
fn the_display_area_comes_out_in_the_order_of_display_with_its_times() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (45, 31));
    let mut decoder = emulated.decoder(&video);
    let begin = sequence((64, 48), (6, 4), (45, 31), 0);
    let packets = vec![
        timed(&[begin, decode(0, 10), show(0)], -40),
        timed(&[decode(1, 20)], 80),
        timed(&[decode(2, 30), show(2)], 0),
        timed(&[decode(3, 40), show(3)], 40),
        timed(&[show(1)], 999),
        packet(&[decode(2, 50), vec![b'H', 2, 0]]),
    ];
    let frames = run(&mut decoder, packets).unwrap();
    let frames = emulated.host(decoder.info(), frames);
    assert_eq!(decoder.info().format, PixelFormat::NV12);
    assert_eq!(times(&frames), [-40, 0, 40, 80, 120]);
    for (frame, value) in frames.iter().zip([10, 30, 40, 20, 50]) {
        assert_nv12(frame, value, (6, 4));
    }
    let report = decoder.report().get();
    assert_eq!((report.frames, report.reconstructed_timestamps, report.engines), (5, 1, 3));
    drop(decoder);
    emulated.assert_clean();
}

#[test]
fn a_hidden_picture_has_the_time_of_the_packet_that_shows_it() {
    let Some(emulated) = emulated() else { return };
    let video = CodedVideo { codec: Codec::Vp9, ..video(PixelFormat::YUV420P, (64, 48)) };
    let mut decoder = emulated.decoder(&video);
    // The frame headers of VP9: hidden, shown, and one that shows a picture from before.
    let (hidden, shown, existing) = ([0x84, 0], [0x86, 0], [0x88, 0]);
    let with =
        |header: [u8; 2], packet: Packet| Packet { data: [&header[..], &packet.data].concat(), ..packet };
    let packets = vec![
        with(shown, timed(&[plain(64, 48), decode(0, 1), show(0)], 0)),
        with(hidden, timed(&[decode(1, 2)], 7)),
        with(shown, timed(&[decode(2, 3), show(2)], 40)),
        with(existing, timed(&[show(1)], 80)),
        with(existing, timed(&[show(1)], 120)),
        with(shown, timed(&[decode(0, 4), show(0)], 160)),
    ];
    let frames = run(&mut decoder, packets).unwrap();
    let frames = emulated.host(decoder.info(), frames);
    assert_eq!(times(&frames), [0, 40, 80, 120, 160]);
    for (frame, value) in frames.iter().zip([1, 3, 2, 2, 4]) {
        assert_nv12(frame, value, (0, 0));
    }
    drop(decoder);
    emulated.assert_clean();
}

#[test]
fn the_second_field_of_a_frame_keeps_the_time_of_the_first() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (64, 48));
    let mut decoder = emulated.decoder(&video);
    let second = |surface, value| vec![b'D', surface, value, SUCCESS, 2];
    let packets = vec![
        timed(&[plain(64, 48), decode(0, 1)], 0),
        timed(&[second(0, 1), show(0)], 20),
        timed(&[decode(1, 2)], 40),
        timed(&[second(1, 2), show(1)], 60),
    ];
    let frames = run(&mut decoder, packets).unwrap();
    assert_eq!(frames.iter().map(|frame| frame.info().pts.ticks()).collect::<Vec<_>>(), [0, 40]);
    drop((frames, decoder));
    emulated.assert_clean();
}

#[test]
fn a_packet_of_two_fields_is_parsed_field_by_field() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (64, 48));
    let mut decoder = emulated.decoder(&video);
    let begin = sequence((64, 48), (0, 0), (64, 48), INTERLACED);
    let field =
        |kind: u8, commands: &[Vec<u8>]| [&[0, 0, 1, kind, 0x80][..], &packet(commands).data].concat();
    let pair = |ticks, first: &[Vec<u8>], second: &[Vec<u8>]| {
        let data = [field(0x65, first), field(0x41, second)].concat();
        Packet { data, ..timed(&[], ticks) }
    };
    let second = |surface, value| vec![b'D', surface, value, SUCCESS, 2];
    let packets = vec![
        pair(0, &[begin, decode(0, 1)], &[second(0, 1), show(0)]),
        pair(40, &[decode(1, 2)], &[second(1, 2), show(1)]),
        Packet { data: field(0x41, &[decode(2, 3), show(2)]), ..timed(&[], 80) },
    ];
    let frames = run(&mut decoder, packets).unwrap();
    let frames = emulated.host(decoder.info(), frames);
    assert_eq!(times(&frames), [0, 40, 80]);
    frames.iter().zip([1, 2, 3]).for_each(|(frame, value)| assert_nv12(frame, value, (0, 0)));
    drop((frames, decoder));
    emulated.assert_clean();
}

#[test]
fn a_surface_that_is_used_again_at_once_does_not_spoil_the_frame_before() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (64, 48));
    let mut decoder = emulated.decoder(&video);
    let mut packets = vec![timed(&[plain(64, 48), decode(0, 0), show(0)], 0)];
    packets.extend(
        (1..40).map(|index| timed(&[decode(index % 2, index), show(index % 2)], 40 * i64::from(index))),
    );
    let frames = run(&mut decoder, packets).unwrap();
    let frames = emulated.host(decoder.info(), frames);
    assert_eq!(frames.len(), 40);
    for (value, frame) in (0..).zip(&frames) {
        assert_nv12(frame, value, (0, 0));
    }
    drop(decoder);
    emulated.assert_clean();
}

#[test]
fn a_size_that_changes_is_followed_and_scaled_to_the_first() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (64, 48));
    let mut decoder = emulated.decoder(&video);
    let packets = vec![
        timed(&[plain(64, 48), decode(0, 1), show(0)], 0),
        timed(&[plain(32, 32), decode(0, 2), show(0)], 40),
        timed(&[plain(64, 48), decode(1, 3), show(1)], 80),
        timed(&[plain(128, 96), decode(0, 4), show(0)], 120),
        timed(&[decode(1, 5), show(1)], 160),
    ];
    let frames = run(&mut decoder, packets).unwrap();
    let frames = emulated.host(decoder.info(), frames);
    assert!(frames.iter().all(|frame| (frame.layout().width(), frame.layout().height()) == (64, 48)));
    assert_nv12(&frames[0], 1, (0, 0));
    assert_nv12(&frames[2], 3, (0, 0));
    assert_eq!((frames.len(), decoder.report().get().resized_frames), (5, 3));
    drop(decoder);
    emulated.assert_clean();
}

#[test]
fn ten_bits_of_4_4_4_come_out_of_the_high_bits() {
    let Some(emulated) = emulated() else { return };
    let format = PixelFormat::yuv_planar(Chroma::C444, 10);
    let video = video(format, (64, 48));
    let mut decoder = emulated.decoder(&video);
    let begin = sequence((64, 48), (0, 0), (64, 48), CHROMA_444_10);
    let frames = run(&mut decoder, vec![timed(&[begin, decode(0, 200), show(0)], 0)]).unwrap();
    let frames = emulated.host(decoder.info(), frames);
    assert_eq!((decoder.info().format, frames.len()), (format, 1));
    for plane in 0..3 {
        for (y, row) in frames[0].rows::<u16>(plane).enumerate() {
            for (x, &found) in row.iter().enumerate() {
                assert_eq!(found, code(200, plane, (x, y)), "plane {plane} at {x}, {y}");
            }
        }
    }
    drop((frames, decoder));
    emulated.assert_clean();
}
