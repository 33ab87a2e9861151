//! What a session is, and what may be done with it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cudarc::driver::sys::{CUcontext, CUstream};
use rave_nvcodec::NvencCodec;
use rave_nvcodec::sys::nvenc::{self, Guid, Status};

use super::order::{Coded, Kind, Order};
use super::{Picture, State, pictures};

/// AV1 for what is neither H.264 nor HEVC.
pub fn codec_of(guid: Guid) -> NvencCodec {
    match () {
        () if guid == Guid::CODEC_H264 => NvencCodec::H264,
        () if guid == Guid::CODEC_HEVC => NvencCodec::Hevc,
        () => NvencCodec::Av1,
    }
}

pub struct Session {
    pub context: CUcontext,
    pub encoder: Option<Encoder>,
    pub outputs: BTreeMap<usize, Output>,
    pub resources: BTreeMap<usize, Resource>,
    /// Mapped name to resource.
    pub mappings: BTreeMap<usize, usize>,
    /// Events that are registered, with the number of the send that sets them; that of the end of the stream is the last.
    pub events: BTreeMap<usize, Option<u64>>,
    /// A call failed: what follows is cleaning up, which cannot be done by the book.
    pub has_failed: bool,
}

/// What `NvEncInitializeEncoder` made.
pub struct Encoder {
    pub params: nvenc::InitializeParams,
    pub bframes: u32,
    pub order: Order,
    pub stream: Option<CUstream>,
    pub sent: u64,
    /// Sends when `NvEncEncodePicture` last returned `NV_ENC_SUCCESS`: outputs of these may be locked.
    pub acknowledged: u64,
    pub is_flushed: bool,
    /// Sends whose output holds a picture; all, and the end, when the stream was ended.
    pub finished: u64,
    /// Sends whose event was waited for.
    pub told: BTreeSet<u64>,
    /// Outputs in the order in which they were sent, with the number of the send.
    pub queue: VecDeque<(u64, usize)>,
    /// Pictures in coding order that no output was locked for.
    pub coded: VecDeque<Coded>,
    /// Inputs by the frame's number.
    pub inputs: BTreeMap<u64, Input>,
}

pub struct Input {
    pub mapped: usize,
    pub messages: Vec<(u32, Vec<u8>)>,
}

#[derive(Default)]
pub struct Output {
    pub is_sent: bool,
    /// While it is locked.
    pub bytes: Option<Vec<u8>>,
}

pub struct Resource {
    pub params: nvenc::RegisterResource,
    pub is_mapped: bool,
}

impl Session {
    pub fn new(context: CUcontext) -> Self {
        Self {
            context,
            encoder: None,
            outputs: BTreeMap::new(),
            resources: BTreeMap::new(),
            mappings: BTreeMap::new(),
            events: BTreeMap::new(),
            has_failed: false,
        }
    }

    pub fn leaks(&self) -> Vec<String> {
        let locked = self.outputs.values().filter(|output| output.bytes.is_some()).count();
        let counts = [
            ("mapped input", self.mappings.len()),
            ("registered input", self.resources.len()),
            ("locked output", locked),
            ("output", self.outputs.len()),
            ("registered event", self.events.len()),
            ("session", 1),
        ];
        counts
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(what, count)| format!("{what}: {count}"))
            .collect()
    }
}

/// `NvEncEncodePicture` with a frame.
pub fn encode(state: &mut State, handle: usize, params: &nvenc::PicParams) -> Status {
    const NAME: &str = "NvEncEncodePicture";
    let mut breaches = Vec::new();
    let status = {
        let Some(session) = state.sessions.get_mut(&handle) else { return Status::INVALID_ENCODERDEVICE };
        submit(session, params, &mut breaches)
    };
    breaches.into_iter().for_each(|rule: String| state.breach(NAME, rule));
    status
}

fn submit(session: &mut Session, params: &nvenc::PicParams, breaches: &mut Vec<String>) -> Status {
    let Some(encoder) = &mut session.encoder else { return Status::ENCODER_NOT_INITIALIZED };
    let (input, output) = (params.input_buffer as usize, params.output_bitstream as usize);
    let mut rule = |holds: bool, text: &str| {
        if !holds {
            breaches.push(text.to_owned());
        }
    };
    rule(!encoder.is_flushed, "no frame after the end of the stream");
    let needed = encoder.bframes as usize + 4;
    rule(
        session.outputs.len() >= needed,
        "at least 4 outputs more than B-frames (NvEncCreateBitstreamBuffer)",
    );
    rule(encoder.stream.is_some(), "work in a stream of one's own needs NvEncSetIOCudaStreams");
    rule(params.frame_idx == encoder.sent as u32, "frameIdx counts up from 0");
    rule(params.picture_struct == nvenc::PicStruct::FRAME, "pictureStruct");
    if let Err(text) = begin_event(&mut session.events, encoder, params) {
        rule(false, text);
    }
    let is_busy = encoder.inputs.values().any(|other| other.mapped == input);
    rule(!is_busy, "the input is in use");
    let Some(output_state) = session.outputs.get_mut(&output) else { return Status::INVALID_PARAM };
    rule(!output_state.is_sent, "the output is in use");
    rule(output_state.bytes.is_none(), "the output is locked");
    let Some(resource) = session.mappings.get(&input).and_then(|name| session.resources.get(name)) else {
        return Status::RESOURCE_NOT_MAPPED;
    };
    let registered = &resource.params;
    rule(params.buffer_fmt == registered.buffer_format, "bufferFmt is that of the mapping");
    rule(params.input_pitch == registered.pitch, "inputPitch is that of the input");
    let size = (encoder.params.encode_width, encoder.params.encode_height);
    rule((params.input_width, params.input_height) == size, "inputWidth and inputHeight");
    rule(
        size.0 <= registered.width && size.1 <= registered.height,
        "the input is as large as the picture (NvEncRegisterResource)",
    );
    let known =
        nvenc::PicFlags::FORCEIDR.0 | nvenc::PicFlags::FORCEINTRA.0 | nvenc::PicFlags::OUTPUT_SPSPPS.0;
    rule(params.encode_pic_flags & !known == 0, "encodePicFlags");
    output_state.is_sent = true;
    let frame = params.input_time_stamp;
    rule(!encoder.inputs.contains_key(&frame), "inputTimeStamp names one frame");
    let messages = pictures_messages(&encoder.params, params);
    encoder.inputs.insert(frame, Input { mapped: input, messages });
    encoder.queue.push_back((encoder.sent, output));
    encoder.sent += 1;
    let is_forced = params.encode_pic_flags & nvenc::PicFlags::FORCEIDR.0 != 0;
    let coded = encoder.order.send(frame, is_forced);
    if coded.is_empty() {
        return Status::NEED_MORE_INPUT;
    }
    encoder.finished += coded.len() as u64;
    encoder.coded.extend(coded);
    encoder.acknowledged = encoder.sent;
    Status::SUCCESS
}

/// Notes which event is set by this send (`NV_ENC_PIC_PARAMS::completionEvent`).
fn begin_event(
    events: &mut BTreeMap<usize, Option<u64>>,
    encoder: &Encoder,
    params: &nvenc::PicParams,
) -> Result<(), &'static str> {
    let event = params.completion_event as usize;
    match (encoder.params.enable_encode_async, event) {
        (0, 0) => return Ok(()),
        (0, _) => return Err("no event in synchronous mode"),
        (_, 0) => return Err("an event in asynchronous mode"),
        _ => {}
    }
    match events.get_mut(&event) {
        None => Err("the event is registered (NvEncRegisterAsyncEvent)"),
        Some(Some(_)) => Err("each output has an event of its own"),
        Some(free) => {
            *free = Some(encoder.sent);
            Ok(())
        }
    }
}

/// SEI messages or metadata OBUs.
fn pictures_messages(init: &nvenc::InitializeParams, params: &nvenc::PicParams) -> Vec<(u32, Vec<u8>)> {
    // SAFETY: the member is that of the codec; all consist of integers and pointers.
    let (count, array) = unsafe {
        let of_picture = &params.codec_pic_params;
        match codec_of(init.encode_guid) {
            NvencCodec::H264 => (
                of_picture.h264_pic_params.sei_payload_array_cnt,
                of_picture.h264_pic_params.sei_payload_array,
            ),
            NvencCodec::Hevc => (
                of_picture.hevc_pic_params.sei_payload_array_cnt,
                of_picture.hevc_pic_params.sei_payload_array,
            ),
            _ => {
                (of_picture.av1_pic_params.obu_payload_array_cnt, of_picture.av1_pic_params.obu_payload_array)
            }
        }
    };
    let message = |index: u32| {
        // SAFETY: the caller gives that many messages with that many bytes, valid for the call.
        unsafe {
            let payload = &*array.add(index as usize);
            let bytes = std::slice::from_raw_parts(payload.payload, payload.payload_size as usize);
            (payload.payload_type, bytes.to_vec())
        }
    };
    (0..count).map(message).collect()
}

/// `NvEncEncodePicture` with the end of the stream.
pub fn flush(state: &mut State, handle: usize, params: &nvenc::PicParams) -> Status {
    const NAME: &str = "NvEncEncodePicture";
    if !params.input_buffer.is_null() || !params.output_bitstream.is_null() {
        state.breach(NAME, "the end of the stream comes without buffers");
    }
    let Some(session) = state.sessions.get_mut(&handle) else { return Status::INVALID_ENCODERDEVICE };
    let Some(encoder) = &mut session.encoder else { return Status::ENCODER_NOT_INITIALIZED };
    let begun = begin_event(&mut session.events, encoder, params);
    let was_flushed = std::mem::replace(&mut encoder.is_flushed, true);
    let coded = encoder.order.flush();
    encoder.coded.extend(coded);
    encoder.acknowledged = encoder.sent;
    encoder.finished = encoder.sent + 1;
    if was_flushed {
        state.breach(NAME, "the stream ends once");
    }
    if let Err(rule) = begun {
        state.breach(NAME, rule);
    }
    Status::SUCCESS
}

/// `NvEncLockBitstream`.
pub fn lock(state: &mut State, handle: usize, params: &mut nvenc::LockBitstream) -> Status {
    const NAME: &str = "NvEncLockBitstream";
    let name = params.output_bitstream as usize;
    let Some(session) = state.sessions.get_mut(&handle) else { return Status::INVALID_ENCODERDEVICE };
    let Some(encoder) = &mut session.encoder else { return Status::ENCODER_NOT_INITIALIZED };
    let Some(output) = session.outputs.get_mut(&name) else { return Status::INVALID_PARAM };
    if output.bytes.is_some() {
        state.breach(NAME, "it is locked already");
        return Status::LOCK_BUSY;
    }
    let is_next = encoder.queue.front().is_some_and(|&(_, next)| next == name);
    let is_acknowledged = encoder.queue.front().is_some_and(|&(send, _)| send < encoder.acknowledged);
    if !is_next || !is_acknowledged {
        let rule =
            if is_next { "only after NV_ENC_SUCCESS" } else { "outputs are locked in the order of sending" };
        state.breach(NAME, rule);
        return Status::INVALID_CALL;
    }
    let Some(coded) = encoder.coded.pop_front() else {
        state.breach(NAME, "the picture is not coded before further frames come: this would wait for ever");
        return Status::INVALID_CALL;
    };
    let send = encoder.queue.pop_front().map_or(0, |(send, _)| send);
    let is_told = encoder.params.enable_encode_async == 0 || encoder.told.remove(&send);
    output.is_sent = false;
    let Some(input) = encoder.inputs.remove(&coded.frame) else { return Status::GENERIC };
    let stream = encoder.stream.unwrap_or(std::ptr::null_mut());
    let resource = session.mappings.get(&input.mapped).and_then(|name| session.resources.get(name));
    let digest = resource.and_then(|resource| pictures::read(&resource.params, stream));
    let own = || format!("{} {:?}", coded.frame, coded.kind).into_bytes();
    let bytes = state.settings.packets.get(&coded.frame).cloned().unwrap_or_else(own);
    params.output_time_stamp = coded.frame;
    params.frame_idx = coded.frame as u32;
    params.bitstream_size_in_bytes = bytes.len() as u32;
    params.picture_type = match coded.kind {
        Kind::Idr => nvenc::PicType::IDR,
        Kind::P => nvenc::PicType::P,
        Kind::B => nvenc::PicType::B,
    };
    params.bitstream_buffer_ptr = output.bytes.insert(bytes).as_mut_ptr().cast();
    match digest {
        Some(digest) => state.pictures.push(Picture {
            stamp: coded.frame,
            kind: coded.kind,
            digest,
            messages: input.messages,
        }),
        None => state.breach(NAME, "the input was taken away before its picture was coded"),
    }
    if !is_told {
        state.breach(NAME, "its event is waited for first");
    }
    Status::SUCCESS
}
