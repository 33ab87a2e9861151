//! Damage, refusals and errors.

use rave_core::{Code, FieldOrder, Packet, PixelFormat, Stage};
use rave_nvcodec::{Codec, CodedVideo, Corruption, DecodeReport, DecoderOptions, NvDecoder};

use super::support::*;

#[test]
fn strict_decoding_stops_at_damage() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (64, 48));
    let options = DecoderOptions { corruption: Corruption::Strict, ..DecoderOptions::default() };
    let damage = timed(&[plain(64, 48), vec![b'D', 0, 2, CONCEALED, 0], show(0)], 0);
    for (packet, words) in [
        (damage, "decoding h264 failed at packet 0: the decoder conceals damage"),
        (Packet::default(), "decoding h264 failed at packet 0: it is empty"),
    ] {
        let mut decoder = NvDecoder::new(&emulated.library, &emulated.pool, &video, &options).unwrap();
        let error = decoder.process(packet, &mut |_| ()).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.code()), (words, Code::DecodeFailed));
        drop(decoder);
        emulated.assert_clean();
    }
}

#[test]
fn a_decoder_that_fails_leaves_nothing_behind() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (64, 48));
    let mut decoder = emulated.decoder(&video);
    let good = timed(&[plain(64, 48), decode(0, 1), show(0), decode(1, 2), show(1)], 0);
    let mut frames = Vec::new();
    decoder.process(good, &mut |frame| frames.push(frame)).unwrap();
    let error = decoder.process(timed(&[b"E".to_vec(), decode(2, 3)], 40), &mut |_| ()).unwrap_err();
    assert_eq!(error.to_string(), "cuvidDecodePicture failed on h264 with CUDA error 801");
    assert_eq!((error.code(), frames.len()), (Code::DecodeFailed, 2));
    drop((decoder, frames));
    emulated.assert_clean();
}

#[test]
fn a_picture_that_is_refused_is_left_out_and_many_are_an_error() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (64, 48));
    let refused = |ticks| timed(&[b"R".to_vec(), decode(1, 2), show(1)], ticks);
    let mut decoder = emulated.decoder(&video);
    let packets = vec![
        timed(&[plain(64, 48), decode(0, 1), show(0)], 0),
        refused(40),
        timed(&[decode(2, 3), show(2)], 80),
    ];
    let frames = run(&mut decoder, packets).unwrap();
    let frames = emulated.host(decoder.info(), frames);
    assert_eq!((times(&frames), decoder.report().get().corrupt_packets), (vec![0, 80], 1));
    assert_nv12(&frames[1], 3, (0, 0));
    drop(decoder);
    let mut decoder = emulated.decoder(&video);
    decoder.process(timed(&[plain(64, 48)], 0), &mut |_| ()).unwrap();
    let error = (1..100).find_map(|index| decoder.process(refused(40 * index), &mut |_| ()).err());
    assert_eq!(error.unwrap().to_string(), "cuvidDecodePicture failed on h264 with CUDA error 1");
    drop(decoder);
    emulated.assert_clean();
}

#[test]
fn what_the_gpu_does_not_decode_is_refused_before_and_in_mid_stream() {
    let Some(emulated) = emulated() else { return };
    let refused = |video: &CodedVideo| {
        let made = NvDecoder::new(&emulated.library, &emulated.pool, video, &DecoderOptions::default());
        made.err().unwrap()
    };
    let large = video(PixelFormat::YUV420P, (5000, 48));
    assert_eq!(
        refused(&large).to_string(),
        "NVDEC cannot decode the stream: h264 4:2:0 of 8 bits is decoded up to 4096x4096, the stream is 5000x48"
    );
    let high_10 = CodedVideo { codec: Codec::H264, ..video(PixelFormat::YUV420P10, (64, 48)) };
    let error = refused(&high_10);
    assert_eq!(
        error.to_string(),
        "NVDEC cannot decode the stream: the GPU has no decoder for h264 4:2:0 of 10 bits"
    );
    assert!(error.is_for_software());
    for (change, words) in [
        (plain(5000, 48), "decoded up to 4096x4096"),
        (sequence((64, 48), (0, 0), (64, 48), CHROMA_444_10), "no decoder for h264 4:4:4 of 10 bits"),
        (sequence((64, 48), (9, 0), (0, 48), 0), "its sequence header makes no sense"),
    ] {
        let mut decoder = emulated.decoder(&video(PixelFormat::YUV420P, (64, 48)));
        decoder.process(timed(&[plain(64, 48), decode(0, 1), show(0)], 0), &mut |_| ()).unwrap();
        let error = decoder.process(timed(&[change], 40), &mut |_| ()).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        drop(decoder);
    }
    let mut decoder = emulated.decoder(&video(PixelFormat::YUV420P, (64, 48)));
    let error = decoder.process(timed(&[decode(0, 1)], 0), &mut |_| ()).unwrap_err();
    assert_eq!(error.to_string(), "the parser of h264 failed: a picture came before its sequence");
    drop(decoder);
    emulated.assert_clean();
}

#[test]
fn fields_and_damage_are_told_and_trimmed_frames_left_out() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (64, 48));
    let mut decoder = emulated.decoder(&video);
    let begin = sequence((64, 48), (0, 0), (64, 48), INTERLACED);
    let (interlaced, top_first) = (1, 2);
    let trimmed = Packet { is_discarded: true, ..timed(&[decode(2, 3), show(2)], 80) };
    let damaged = Packet { is_corrupt: true, ..timed(&[decode(3, 4), show(3)], 120) };
    let packets = vec![
        timed(&[begin, vec![b'D', 0, 1, SUCCESS, 1], vec![b'V', 0, interlaced | top_first]], 0),
        timed(&[vec![b'D', 1, 2, CONCEALED, 0], vec![b'V', 1, interlaced]], 40),
        trimmed,
        damaged,
        Packet::default(),
    ];
    let frames = run(&mut decoder, packets).unwrap();
    let orders: Vec<_> = frames.iter().map(|frame| frame.info().field_order).collect();
    assert_eq!(orders, [FieldOrder::TopFirst, FieldOrder::BottomFirst, FieldOrder::Progressive]);
    let expected = DecodeReport {
        frames: 3,
        concealed_frames: 1,
        key_frames: 1,
        corrupt_packets: 2,
        discarded_by_edit_list: 1,
        sessions: 1,
        engines: 3,
        ..DecodeReport::default()
    };
    assert_eq!(decoder.report().get(), expected);
    drop((frames, decoder));
    emulated.assert_clean();
}
